//! The counters of all cores as one page of Prometheus text.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use problem::codes;

use super::{BOUNDS, CoreMetrics, Counter, TokenResult};
use crate::config::Route;
use crate::pipeline::limit::Scope;
use crate::runtime::reload::Reloads;
use crate::tokens::{FeedStatus, KINDS};
use crate::under_way::Overloaded;
use crate::upstream::Cluster;

/// Gauges that belong to the process and not to a core.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gauges {
    /// Open client connections.
    pub connections: usize,
    /// Connections closed at once because their address had enough.
    pub connections_refused: u64,
    /// Tokens in the cache.
    pub known_tokens: usize,
    /// Whether a key set is loaded.
    pub has_keys: bool,
    /// Fetches of the key set that succeeded and failed.
    pub fetches: (u64, u64),
    /// The feed of revocations, if there is one.
    pub feed: Option<FeedStatus>,
    /// Whether the process is on its way out.
    pub draining: bool,
    /// Spans that were delivered and lost, if there is a collector.
    pub spans: Option<(u64, u64)>,
    /// How reloading the configuration went.
    pub reloads: Reloads,
    /// Callers whose count was forgotten for want of room.
    pub callers_forgotten: u64,
}

/// All metrics in the Prometheus text format; `clusters` are the upstreams' in the order of their ids.
pub fn render(
    cores: &[Arc<CoreMetrics>],
    clusters: &[Arc<Cluster>],
    routes: &[Route],
    gauges: Gauges,
) -> String {
    let names: Vec<_> = clusters.iter().map(|cluster| cluster.name().to_owned()).collect();
    let names = &names[..];
    let mut page = Page { text: String::with_capacity(8192), cores };
    page.requests(names);
    page.routes(routes);
    page.durations(names);
    page.upstreams(names);
    page.servers(clusters);
    page.websockets(names);
    page.tokens();
    page.refusals();
    page.too_often(gauges.callers_forgotten);
    page.process(gauges);
    page.reloads(gauges.reloads);
    if let Some((exported, dropped)) = gauges.spans {
        page.spans(exported, dropped);
    }
    if let Some(feed) = gauges.feed {
        page.feed(feed);
    }
    page.text
}

pub(super) struct Page<'c> {
    text: String,
    cores: &'c [Arc<CoreMetrics>],
}

impl Page<'_> {
    pub(super) fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.text, "{name} {value}"),
            _ => writeln!(self.text, "{name}{{{labels}}} {value}"),
        };
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.line(name, "", value);
    }

    fn sum(&self, counter: impl Fn(&CoreMetrics) -> &Counter) -> u64 {
        self.cores.iter().map(|core| counter(core).get()).sum()
    }

    fn requests(&mut self, names: &[String]) {
        let name = "gateway_requests_total";
        self.head(name, "counter", "Answered requests; those that reached no upstream have upstream=\"\".");
        for (index, upstream) in with_none(names).enumerate() {
            for class in 0..5 {
                let count = self.sum(|core| &core.upstreams[index].statuses[class]);
                self.line(name, &format!("upstream=\"{upstream}\",status=\"{}xx\"", class + 1), count);
            }
        }
        let name = "gateway_response_bytes_total";
        self.head(name, "counter", "Bytes of answers' bodies.");
        for (index, upstream) in with_none(names).enumerate() {
            let count = self.sum(|core| &core.upstreams[index].bytes);
            self.line(name, &format!("upstream=\"{upstream}\""), count);
        }
    }

    /// Only what has occurred.
    fn routes(&mut self, routes: &[Route]) {
        let name = "gateway_route_requests_total";
        self.head(name, "counter", "Answered requests by route, refused ones included.");
        for route in routes {
            for class in 0..5 {
                let count = self.sum(|core| &core.routes[route.id][class]);
                if count > 0 {
                    let labels = format!("route=\"{}\",status=\"{}xx\"", route.written(), class + 1);
                    self.line(name, &labels, count);
                }
            }
        }
    }

    fn durations(&mut self, names: &[String]) {
        self.head(
            "gateway_request_seconds",
            "histogram",
            "From a request's arrival to its answer's last byte.",
        );
        for (index, upstream) in with_none(names).enumerate() {
            let mut count = 0;
            for (bucket, &bound) in BOUNDS.iter().enumerate() {
                count += self.sum(|core| &core.upstreams[index].durations[bucket]);
                let bound = Duration::from_micros(bound).as_secs_f64();
                self.line(
                    "gateway_request_seconds_bucket",
                    &format!("upstream=\"{upstream}\",le=\"{bound}\""),
                    count,
                );
            }
            count += self.sum(|core| &core.upstreams[index].durations[BOUNDS.len()]);
            self.line(
                "gateway_request_seconds_bucket",
                &format!("upstream=\"{upstream}\",le=\"+Inf\""),
                count,
            );
            let total = Duration::from_micros(self.sum(|core| &core.upstreams[index].micros)).as_secs_f64();
            self.line("gateway_request_seconds_sum", &format!("upstream=\"{upstream}\""), total);
            self.line("gateway_request_seconds_count", &format!("upstream=\"{upstream}\""), count);
        }
    }

    fn upstreams(&mut self, names: &[String]) {
        let name = "gateway_upstream_failures_total";
        self.head(name, "counter", "Requests that an upstream did not answer.");
        for (index, upstream) in names.iter().enumerate() {
            for (how, reason) in ["unreachable", "broken", "timeout"].iter().enumerate() {
                let count = self.sum(|core| &core.upstreams[index].failures[how]);
                self.line(name, &format!("upstream=\"{upstream}\",reason=\"{reason}\""), count);
            }
        }
        let name = "gateway_upstream_idle_connections";
        self.head(name, "gauge", "Open connections to an upstream that wait for a request.");
        for (index, upstream) in names.iter().enumerate() {
            let count = self.sum(|core| &core.upstreams[index].idle);
            self.line(name, &format!("upstream=\"{upstream}\""), count);
        }
    }

    fn websockets(&mut self, names: &[String]) {
        let name = "gateway_websockets";
        self.head(name, "gauge", "Open websockets.");
        for (index, upstream) in names.iter().enumerate() {
            let count = self.sum(|core| &core.upstreams[index].websockets);
            self.line(name, &format!("upstream=\"{upstream}\""), count);
        }
        let name = "gateway_websocket_bytes_total";
        self.head(name, "counter", "Bytes of websockets that are over, frames and all.");
        for (index, upstream) in names.iter().enumerate() {
            for (way, direction) in ["received", "sent"].iter().enumerate() {
                let count = self.sum(|core| &core.upstreams[index].websocket_bytes[way]);
                self.line(name, &format!("upstream=\"{upstream}\",direction=\"{direction}\""), count);
            }
        }
    }

    fn tokens(&mut self) {
        let name = "gateway_tokens_total";
        self.head(name, "counter", "Access tokens that requests presented.");
        for result in TokenResult::ALL {
            let count = self.sum(|core| &core.whole.tokens[result as usize]);
            self.line(name, &format!("result=\"{}\"", result.as_str()), count);
        }
    }

    /// Only what has occurred: most codes are not the gateway's.
    fn refusals(&mut self) {
        let name = "gateway_refusals_total";
        self.head(name, "counter", "Requests that the gateway answered with a problem of its own, by code.");
        for (index, code) in codes::ALL.iter().enumerate() {
            let count = self.sum(|core| &core.whole.refusals.0[index]);
            if count > 0 {
                self.line(name, &format!("code=\"{code}\""), count);
            }
        }
        let help = "Requests that came with identity headers, which were dropped.";
        let count = self.sum(|core| &core.whole.spoofed);
        self.single("gateway_spoofed_requests_total", "counter", help, count);
    }

    fn too_often(&mut self, forgotten: u64) {
        let name = "gateway_rate_limited_total";
        self.head(name, "counter", "Requests refused because they came too often.");
        for (index, scope) in Scope::ALL.iter().enumerate() {
            let count = self.sum(|core| &core.whole.too_often[index]);
            self.line(name, &format!("scope=\"{scope}\""), count);
        }
        let name = "gateway_overloaded_total";
        self.head(name, "counter", "Requests refused because too many were under way.");
        for (index, scope) in Overloaded::SCOPES.iter().enumerate() {
            let count = self.sum(|core| &core.whole.overloaded[index]);
            self.line(name, &format!("scope=\"{scope}\""), count);
        }
        let help = "Callers forgotten before their time because the table of rate limits was full.";
        self.single("gateway_rate_limit_callers_forgotten_total", "counter", help, forgotten);
    }

    fn process(&mut self, gauges: Gauges) {
        self.single("gateway_connections", "gauge", "Open client connections.", gauges.connections);
        let help = "Connections closed at once because their address had as many as it may.";
        let refused = gauges.connections_refused;
        self.single("gateway_connections_refused_total", "counter", help, refused);
        self.single("gateway_known_tokens", "gauge", "Verified tokens in the cache.", gauges.known_tokens);
        self.single(
            "gateway_key_set_loaded",
            "gauge",
            "Whether a key set is loaded.",
            u8::from(gauges.has_keys),
        );
        let name = "gateway_key_set_fetches_total";
        self.head(name, "counter", "Attempts to fetch the key set.");
        self.line(name, "result=\"success\"", gauges.fetches.0);
        self.line(name, "result=\"failure\"", gauges.fetches.1);
        self.single(
            "gateway_draining",
            "gauge",
            "Whether the process is stopping.",
            u8::from(gauges.draining),
        );
        let dropped = self.sum(|core| &core.whole.lines_dropped);
        let help = "Access log lines lost because standard output was not read.";
        self.single("gateway_access_log_lines_dropped_total", "counter", help, dropped);
    }

    fn reloads(&mut self, reloads: Reloads) {
        let name = "gateway_reloads_total";
        self.head(name, "counter", "Attempts to take over a changed configuration.");
        self.line(name, "result=\"success\"", reloads.results.0);
        self.line(name, "result=\"failure\"", reloads.results.1);
        let help = "Whether the last change of the configuration was refused: what serves is not what the file says.";
        self.single("gateway_config_refused", "gauge", help, u8::from(reloads.refused));
        let read_at = reloads.read_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let help = "When the configuration that serves was read, in Unix seconds.";
        self.single("gateway_config_read_timestamp_seconds", "gauge", help, read_at.as_secs());
    }

    fn spans(&mut self, exported: u64, dropped: u64) {
        let name = "gateway_spans_total";
        self.head(name, "counter", "Spans of sampled requests, delivered to the collector or lost.");
        self.line(name, "result=\"exported\"", exported);
        self.line(name, "result=\"dropped\"", dropped);
    }

    fn feed(&mut self, feed: FeedStatus) {
        self.single("gateway_revocations", "gauge", "Revocations that are kept.", feed.entries);
        let help = "Whether revocations may have been missed.";
        self.single("gateway_revocations_stale", "gauge", help, u8::from(feed.stale));
        let help = "Whether there was no room for all revocations; good tokens are refused meanwhile.";
        self.single("gateway_revocations_overflowed", "gauge", help, u8::from(feed.overflowed));
        let help = "Since the feed was last heard of; +Inf before its first snapshot.";
        let lag = feed.lag.map_or("+Inf".to_owned(), |lag| lag.as_secs_f64().to_string());
        self.single("gateway_revocations_lag_seconds", "gauge", help, lag);
        let help = "Times that the feed was interrupted or could not be had.";
        self.single("gateway_revocations_interruptions_total", "counter", help, feed.interruptions);
        let name = "gateway_revocations_received_total";
        self.head(name, "counter", "Revocations received; after an interruption some come again.");
        for (kind, count) in KINDS.iter().zip(feed.events) {
            self.line(name, &format!("kind=\"{kind}\""), count);
        }
    }
}

fn with_none(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str).chain([""])
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::Failed;
    use super::*;
    use crate::config::UpstreamId;

    #[test]
    fn cores_are_summed() {
        let cores: Vec<_> = (0..2).map(|_| Arc::new(CoreMetrics::new(1, 1))).collect();
        let orders = UpstreamId(0);
        cores[0].answered(Some(orders), StatusCode::OK, Duration::from_micros(600), 10);
        cores[1].answered(Some(orders), StatusCode::CREATED, Duration::from_secs(60), 5);
        cores[1].answered(None, StatusCode::NOT_FOUND, Duration::ZERO, 1);
        cores[0].failed(orders, Failed::Broken);
        cores[0].token(TokenResult::Checked);
        cores[0].refused_with("unauthenticated");
        cores[1].refused_with("unauthenticated");
        cores[1].spoofed();
        let events = [4, 0, 0, 0, 1];
        let feed = FeedStatus { entries: 7, stale: true, events, ..FeedStatus::default() };
        let text = render(
            &cores,
            &[Arc::new(Cluster::new("orders", Vec::new()))],
            &[],
            Gauges { connections: 3, has_keys: true, feed: Some(feed), ..Gauges::default() },
        );
        for line in [
            "gateway_requests_total{upstream=\"orders\",status=\"2xx\"} 2",
            "gateway_requests_total{upstream=\"\",status=\"4xx\"} 1",
            "gateway_response_bytes_total{upstream=\"orders\"} 15",
            "gateway_request_seconds_bucket{upstream=\"orders\",le=\"0.0005\"} 0",
            "gateway_request_seconds_bucket{upstream=\"orders\",le=\"0.001\"} 1",
            "gateway_request_seconds_bucket{upstream=\"orders\",le=\"+Inf\"} 2",
            "gateway_request_seconds_count{upstream=\"orders\"} 2",
            "gateway_upstream_failures_total{upstream=\"orders\",reason=\"broken\"} 1",
            "gateway_tokens_total{result=\"checked\"} 1",
            "gateway_refusals_total{code=\"unauthenticated\"} 2",
            "gateway_spoofed_requests_total 1",
            "gateway_connections 3",
            "gateway_key_set_loaded 1",
            "gateway_revocations 7",
            "gateway_revocations_stale 1",
            "gateway_revocations_lag_seconds +Inf",
            "gateway_reloads_total{result=\"failure\"} 0",
            "gateway_revocations_received_total{kind=\"session\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }
}
