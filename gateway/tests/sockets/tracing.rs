//! Traces: what upstreams are told, and what a collector gets.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use test_support::{eventually, python_with};

use crate::support::{Issuer, Setup, Upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// A program that reads a batch with the definitions that OpenTelemetry publishes, and fails at whatever is not in them.
const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sockets/otlp.py");

fn read(batch: &[u8]) -> Value {
    let python = python_with("otlp", &["opentelemetry-proto==1.45.2"]);
    let mut reader =
        Command::new(python).arg(READER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    reader.stdin.take().unwrap().write_all(batch).unwrap();
    let read = reader.wait_with_output().unwrap();
    assert!(read.status.success());
    serde_json::from_slice(&read.stdout).unwrap()
}

fn tracing(collector: &str, sample: &str) -> String {
    format!("[tracing]\notlp = \"{collector}\"\nsample = {sample}")
}

#[tokio::test]
async fn without_a_collector_a_trace_passes_and_none_begins() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    gateway.ask("GET /public", &[PARENT, "tracestate: a=1"]).await;
    assert_eq!(orders.last().values("traceparent"), [PARENT.split_once(' ').unwrap().1]);
    assert_eq!(orders.last().values("tracestate"), ["a=1"]);
    for bad in ["traceparent: nonsense", "X-Nothing: 1"] {
        gateway.ask("GET /public", &[bad, "tracestate: a=1"]).await;
        assert_eq!(orders.last().values("traceparent"), [""; 0]);
        assert_eq!(orders.last().values("tracestate"), [""; 0]);
    }
}

#[tokio::test]
async fn a_collector_gets_the_span_that_the_upstream_was_told_of() {
    let (orders, issuer, collector) =
        (Upstream::telling().await, Issuer::new().await, Upstream::telling().await);
    let tables = tracing(&format!("http://{}", collector.address), "1.0");
    let mut gateway = Setup { tables: &tables, ..Setup::with(&orders, &issuer) }.start().await;
    let token = format!("Authorization: Bearer {}", issuer.token());
    let answer = gateway.ask("GET /private/7?secret=1", &[&token, PARENT]).await;
    let told = orders.last().values("traceparent")[0].to_owned();
    let [_, trace, span, flags] = told.split('-').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((trace, flags), (TRACE, "01"));
    assert_ne!(span, "00f067aa0ba902b7");
    let long = format!("/private/{}", "x".repeat(1000));
    gateway.ask(&format!("GET {long}"), &[]).await.expect(401, "unauthenticated");
    // What was not sent yet is sent on the way out.
    gateway.begin_stop();
    gateway.stopped().await;
    let batches: Vec<_> = collector
        .seen()
        .iter()
        .flat_map(|seen| {
            assert_eq!(
                (seen.uri.path(), seen.values("content-type")),
                ("/v1/traces", vec!["application/json"])
            );
            read(&seen.body).as_array().unwrap().clone()
        })
        .collect();
    // Each core sends its own.
    let (mut own, begun): (Vec<_>, Vec<_>) = batches.into_iter().partition(|span| span["trace"] == TRACE);
    let (Some(first), [second]) = (own.pop(), begun.as_slice()) else { panic!("{own:?} {begun:?}") };
    assert_eq!(
        (first["parent"].as_str(), first["name"].as_str()),
        (Some("00f067aa0ba902b7"), Some("GET /private"))
    );
    assert_eq!(first["kind"], "SPAN_KIND_SERVER");
    let attributes = &first["attributes"];
    assert_eq!(
        (&attributes["url.path"], &attributes["http.response.status_code"]),
        (&"/private/7".into(), &200.into())
    );
    assert_eq!(attributes["portcullis.request_id"].as_str(), answer.header("x-request-id"));
    assert!(first["start"].as_u64() < first["end"].as_u64(), "{first}");
    assert_eq!(
        (&second["parent"], &second["attributes"]["http.response.status_code"]),
        (&"".into(), &401.into())
    );
    assert_eq!(second["attributes"]["url.path"], long[..256]);
    let all: String =
        collector.seen().iter().map(|seen| String::from_utf8_lossy(&seen.body).into_owned()).collect();
    for secret in ["secret=1", "ann@example.com", &token] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test]
async fn what_is_not_sampled_is_told_to_nobody() {
    let (orders, collector) = (Upstream::telling().await, Upstream::telling().await);
    let tables = tracing(&format!("http://{}", collector.address), "0.0");
    let mut gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    gateway.ask("GET /public", &[&PARENT.replace("-00", "-01")]).await;
    assert!(orders.last().values("traceparent")[0].ends_with("-00"));
    gateway.begin_stop();
    gateway.stopped().await;
    assert!(collector.seen().is_empty());
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_no_request() {
    let orders = Upstream::telling().await;
    // Port 1 is nobody's.
    let tables = tracing("http://127.0.0.1:1", "1.0");
    let gateway = Setup { tables: &tables, ..Setup::of(&orders) }.start().await;
    let mut client = gateway.client().await;
    for _ in 0..50 {
        assert_eq!(client.ask("GET /public", &[]).await.status, 200);
    }
    eventually("the loss is counted", async || {
        gateway.metrics().await.contains("gateway_spans_total{result=\"dropped\"} 50").then_some(())
    })
    .await;
}
