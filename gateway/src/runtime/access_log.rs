//! One line per request: written into a buffer of the core, handed in batches to one thread that writes to standard
//! output. A reader that stalls costs lines (they are counted), never requests.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, StatusCode};
use process::telemetry::LogFormat;
use time::OffsetDateTime;

use super::metrics::CoreMetrics;

/// A batch is handed over when it has grown to this, and never later than at this age.
const BATCH_BYTES: usize = 64 << 10;
/// Room for the line that fills a batch; a longer one makes the batch grow.
const LAST_LINE: usize = 2 << 10;
const BATCH_AGE: Duration = Duration::from_millis(100);
/// Batches that may wait for the writer.
const BATCHES: usize = 256;

/// What a line says. No query, no header, no e-mail: they may hold secrets.
#[derive(Debug)]
pub struct Line<'a> {
    /// When the request arrived.
    pub at: SystemTime,
    /// The request's method.
    pub method: &'a Method,
    /// The request's path, as sent.
    pub path: &'a str,
    /// The path of the route that it belongs to, if it belongs to one.
    pub route: Option<&'a str>,
    /// What became of it: `forward`, `refuse`, or `answer` for what the gateway answers by itself.
    pub decision: &'static str,
    /// The code of the problem that it was answered with, if it was the gateway's.
    pub reason: Option<&'static str>,
    /// How its token was found: `known` from the cache, `checked`, `refused`, `revoked`.
    pub token: Option<&'static str>,
    /// Whether it came with headers that only the gateway writes.
    pub spoofed: bool,
    /// The answer's status.
    pub status: StatusCode,
    /// From arrival until the upstream's answer began.
    pub head: Option<Duration>,
    /// The server of the upstream that answered; empty if none did.
    pub server: &'a str,
    /// What connecting to it took, if that was for this request.
    pub connecting: Option<Duration>,
    /// From arrival to the answer's last byte.
    pub took: Duration,
    /// Bytes of the answer's body, or to the client over a websocket.
    pub bytes: u64,
    /// Bytes from the client over a websocket.
    pub received: Option<u64>,
    /// Whether the answer was sent to its end.
    pub complete: bool,
    /// The upstream that answered; empty if the gateway did.
    pub upstream: &'a str,
    /// The id under which the upstream logs the request too.
    pub request_id: &'a HeaderValue,
    /// The id of the trace that it belongs to.
    pub trace: Option<[u8; 32]>,
    /// The user, or `client:<id>`; empty for an anonymous caller.
    pub user: &'a HeaderValue,
    /// The client's address.
    pub client: IpAddr,
}

/// The log of one core.
#[derive(Debug)]
pub struct AccessLog {
    out: Option<SyncSender<Vec<u8>>>,
    format: LogFormat,
    metrics: Arc<CoreMetrics>,
    batch: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    /// Whether a timer is pending. One serves for all the batches that fill up before it: else each would leave a timer
    /// behind that cuts a later batch short.
    timed: Cell<bool>,
    clock: Clock,
}

/// Starts the thread that writes. It ends when every core has dropped its sender.
///
/// # Errors
/// The thread cannot be started.
pub fn start_writer() -> std::io::Result<(SyncSender<Vec<u8>>, std::thread::JoinHandle<()>)> {
    let (sender, receiver) = sync_channel(BATCHES);
    let writer = std::thread::Builder::new().name("access-log".into()).spawn(move || write_all(&receiver))?;
    Ok((sender, writer))
}

fn write_all(batches: &Receiver<Vec<u8>>) {
    while let Ok(batch) = batches.recv() {
        // Standard output is gone: nobody is left to be told.
        let _ = std::io::stdout().lock().write_all(&batch);
    }
}

impl AccessLog {
    /// A log that hands its batches to `out`; without one it is off.
    pub fn new(out: Option<SyncSender<Vec<u8>>>, format: LogFormat, metrics: Arc<CoreMetrics>) -> Self {
        let (batch, lines, timed) = (RefCell::default(), Cell::new(0), Cell::new(false));
        Self { out, format, metrics, batch, lines, timed, clock: Clock::default() }
    }

    /// Writes a line into the batch. `self` is shared so that a batch can be handed over later.
    pub fn write(self: &Rc<Self>, line: &Line<'_>) {
        if self.out.is_none() {
            return;
        }
        let mut batch = self.batch.borrow_mut();
        if batch.is_empty() {
            batch.reserve_exact(BATCH_BYTES + LAST_LINE);
        }
        if !self.timed.replace(true) {
            self.hand_over_later();
        }
        match self.format {
            LogFormat::Json => json(&mut batch, line, &self.clock),
            LogFormat::Pretty => pretty(&mut batch, line, &self.clock),
        }
        self.lines.set(self.lines.get() + 1);
        let full = batch.len() >= BATCH_BYTES;
        drop(batch);
        if full {
            self.hand_over();
        }
    }

    /// Hands the batch over now.
    pub fn hand_over(&self) {
        let batch = self.batch.take();
        let lines = self.lines.take();
        let Some(out) = self.out.as_ref().filter(|_| !batch.is_empty()) else { return };
        if out.try_send(batch).is_err() {
            self.metrics.lost_lines(lines);
        }
    }

    fn hand_over_later(self: &Rc<Self>) {
        let log = Rc::clone(self);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(BATCH_AGE).await;
            log.timed.set(false);
            log.hand_over();
        });
    }
}

fn json(out: &mut Vec<u8>, line: &Line<'_>, clock: &Clock) {
    out.extend_from_slice(b"{\"timestamp\":\"");
    clock.write(out, line.at);
    out.extend_from_slice(
        b"\",\"level\":\"INFO\",\"target\":\"gateway::access\",\"message\":\"request\",\"method\":\"",
    );
    out.extend_from_slice(line.method.as_str().as_bytes());
    out.extend_from_slice(b"\",\"path\":\"");
    escape(out, line.path);
    let status = line.status.as_u16();
    // Writing into a Vec cannot fail.
    let _ = write!(
        out,
        "\",\"status\":{status},\"duration_us\":{},\"bytes\":{}",
        line.took.as_micros(),
        line.bytes
    );
    if let Some(head) = line.head {
        let _ = write!(out, ",\"head_us\":{}", head.as_micros());
    }
    if let Some(connecting) = line.connecting {
        let _ = write!(out, ",\"connect_us\":{}", connecting.as_micros());
    }
    if let Some(received) = line.received {
        let _ = write!(out, ",\"received\":{received}");
    }
    word(out, b",\"decision\":\"", line.decision.as_bytes());
    word(out, b",\"reason\":\"", line.reason.unwrap_or_default().as_bytes());
    word(out, b",\"route\":\"", line.route.unwrap_or_default().as_bytes());
    word(out, b",\"token\":\"", line.token.unwrap_or_default().as_bytes());
    word(out, b",\"upstream\":\"", line.upstream.as_bytes());
    word(out, b",\"server\":\"", line.server.as_bytes());
    word(out, b",\"user\":\"", line.user.as_bytes());
    if line.spoofed {
        out.extend_from_slice(b",\"spoofed\":true");
    }
    let _ = write!(out, ",\"client\":\"{}\",\"request_id\":\"", line.client);
    out.extend_from_slice(value_or_nothing(line.request_id.as_bytes()));
    out.push(b'"');
    if let Some(trace) = &line.trace {
        word(out, b",\"trace_id\":\"", trace);
    }
    if !line.complete {
        out.extend_from_slice(b",\"aborted\":true");
    }
    out.extend_from_slice(b"}\n");
}

/// A member that is left out when there is nothing to say.
fn word(out: &mut Vec<u8>, begin: &[u8], value: &[u8]) {
    if !value.is_empty() {
        out.extend_from_slice(begin);
        out.extend_from_slice(value_or_nothing(value));
        out.push(b'"');
    }
}

fn pretty(out: &mut Vec<u8>, line: &Line<'_>, clock: &Clock) {
    clock.write(out, line.at);
    out.extend_from_slice(b"  INFO gateway::access: ");
    out.extend_from_slice(line.method.as_str().as_bytes());
    out.push(b' ');
    escape(out, line.path);
    let milliseconds = line.took.as_secs_f64() * 1e3;
    let _ = write!(out, " {} in {milliseconds:.1} ms", line.status.as_u16());
    for (name, value) in [
        ("reason", line.reason.unwrap_or_default().as_bytes()),
        ("upstream", line.upstream.as_bytes()),
        ("user", line.user.as_bytes()),
    ] {
        if !value.is_empty() {
            let _ = write!(out, " {name}=");
            out.extend_from_slice(value_or_nothing(value));
        }
    }
    out.extend_from_slice(b" request_id=");
    out.extend_from_slice(value_or_nothing(line.request_id.as_bytes()));
    out.extend_from_slice(if line.complete { b"\n" } else { b" aborted\n" });
}

/// Our own values need no escaping; one that would is not written.
fn value_or_nothing(value: &[u8]) -> &[u8] {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if value.iter().all(is_plain) { value } else { b"" }
}

/// JSON's escapes, for what a client sent.
fn escape(out: &mut Vec<u8>, text: &str) {
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
}

/// RFC 3339 with microseconds; the part down to the second is made once a second.
#[derive(Debug, Default)]
struct Clock {
    second: Cell<i64>,
    text: Cell<[u8; 19]>,
}

impl Clock {
    fn write(&self, out: &mut Vec<u8>, at: SystemTime) {
        let at = OffsetDateTime::from(at);
        let second = at.unix_timestamp();
        if self.second.replace(second) != second || self.text.get()[0] == 0 {
            self.text.set(date_and_time(at));
        }
        out.extend_from_slice(&self.text.get());
        let _ = write!(out, ".{:06}Z", at.microsecond());
    }
}

fn date_and_time(at: OffsetDateTime) -> [u8; 19] {
    let (date, time) = (at.date(), at.time());
    let text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    // Four digits of year until the year 10000.
    text.as_bytes().try_into().unwrap_or([b'0'; 19])
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;

    fn line<'a>(path: &'a str, user: &'a HeaderValue, id: &'a HeaderValue, complete: bool) -> Line<'a> {
        Line {
            at: SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_042),
            method: &Method::GET,
            path,
            route: Some("/a"),
            decision: "forward",
            reason: None,
            token: Some("known"),
            spoofed: !complete,
            status: StatusCode::OK,
            head: Some(Duration::from_micros(321)),
            server: "http://orders:8082",
            connecting: complete.then_some(Duration::ZERO),
            took: Duration::from_micros(1234),
            bytes: 17,
            received: None,
            complete,
            upstream: "orders",
            request_id: id,
            trace: (!complete).then_some(*b"4bf92f3577b34da6a3ce929d0e0e4736"),
            user,
            client: [192, 0, 2, 1].into(),
        }
    }

    #[tokio::test]
    async fn one_timer_is_pending_however_many_batches_are_full() {
        let (out, batches) = sync_channel(BATCHES);
        let log = Rc::new(AccessLog::new(Some(out), LogFormat::Json, Arc::new(CoreMetrics::new(0, 0))));
        let (user, id) = (HeaderValue::from_static(""), HeaderValue::from_static("r-1"));
        let long = "/a".repeat(BATCH_BYTES / 2);
        let here = async {
            for _ in 0..3 {
                log.write(&line(&long, &user, &id, true));
                assert_eq!(batches.try_iter().count(), 1);
            }
            // Each timer holds the log.
            assert_eq!(Rc::strong_count(&log), 2);
            // And a batch that stays small is handed over all the same, then and later.
            for _ in 0..2 {
                log.write(&line("/a", &user, &id, true));
                while Rc::strong_count(&log) > 1 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(batches.try_iter().count(), 1);
            }
        };
        LocalSet::new().run_until(here).await;
    }

    #[test]
    fn json_lines_parse() {
        let (user, id) = (HeaderValue::from_static("u-1"), HeaderValue::from_static("r-1"));
        let mut out = Vec::new();
        json(&mut out, &line("/a\"b\\\u{e9}", &user, &id, false), &Clock::default());
        let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(parsed["timestamp"], "2023-11-14T22:13:20.000042Z");
        assert!(parsed["path"].as_str().unwrap().starts_with("/a\"b\\"));
        let rest = ["status", "duration_us", "bytes", "upstream", "user", "client", "request_id", "aborted"]
            .map(|name| parsed[name].to_string());
        assert_eq!(parsed["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        let more = ["route", "decision", "reason", "token", "spoofed", "head_us", "server", "connect_us"];
        let more = more.map(|name| parsed[name].to_string());
        assert_eq!(
            more,
            ["\"/a\"", "\"forward\"", "null", "\"known\"", "true", "321", "\"http://orders:8082\"", "null"]
        );
        assert_eq!(rest, ["200", "1234", "17", "\"orders\"", "\"u-1\"", "\"192.0.2.1\"", "\"r-1\"", "true"]);
    }

    #[test]
    fn pretty_lines_are_for_people() {
        let (user, id) = (HeaderValue::from_static(""), HeaderValue::from_static("r-1"));
        let mut out = Vec::new();
        pretty(&mut out, &line("/a", &user, &id, true), &Clock::default());
        let expected = "2023-11-14T22:13:20.000042Z  INFO gateway::access: GET /a 200 in 1.2 ms upstream=orders request_id=r-1\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
