//! Spans in the JSON form of OTLP (`ExportTraceServiceRequest`; ids as hex, times as strings of nanoseconds), named by
//! the semantic conventions for HTTP servers.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::Span;
use crate::pipeline::trace::hex;

const KIND_SERVER: u8 = 2;
const STATUS_ERROR: u8 = 2;
/// In a span's flags: it is known, and false, that the parent is remote or not. Here it always is.
const PARENT_IS_REMOTE: u32 = 0x300;

/// The body of one request to the collector.
pub(super) fn request(spans: &[Span]) -> Vec<u8> {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let scope = json!({ "name": "portcullis.gateway", "version": env!("CARGO_PKG_VERSION") });
    let resource = json!({ "attributes": [text("service.name", "portcullis-gateway")] });
    let request = json!({
        "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": scope, "spans": spans }] }],
    });
    request.to_string().into_bytes()
}

fn span(span: &Span) -> Value {
    // What is no method is called so by OpenTelemetry's conventions for HTTP.
    let (name, route) = (span.method.unwrap_or("HTTP"), span.route.as_deref());
    let mut attributes = vec![
        text("http.request.method", span.method.unwrap_or("_OTHER")),
        text("url.path", &span.path),
        json!({ "key": "http.response.status_code", "value": { "intValue": span.status.as_u16().to_string() } }),
        text("portcullis.request_id", span.request_id.to_str().unwrap_or_default()),
    ];
    attributes.extend(route.map(|route| text("http.route", route)));
    if !span.upstream.is_empty() {
        attributes.push(text("portcullis.upstream", &span.upstream));
    }
    let mut told = json!({
        "traceId": String::from_utf8_lossy(&span.trace.hex()),
        "spanId": id(span.trace.span.unwrap_or_default()),
        "flags": PARENT_IS_REMOTE | u32::from(span.trace.sampled),
        "name": route.map_or_else(|| name.to_owned(), |route| format!("{name} {route}")),
        "kind": KIND_SERVER,
        "startTimeUnixNano": nanoseconds(span.start, Duration::ZERO),
        "endTimeUnixNano": nanoseconds(span.start, span.took),
        "attributes": attributes,
        "status": if span.status.is_server_error() { json!({ "code": STATUS_ERROR }) } else { json!({}) },
    });
    if let Some(parent) = span.trace.parent {
        told["parentSpanId"] = id(parent).into();
    }
    told
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn id(span: u64) -> String {
    String::from_utf8_lossy(&hex::<16>(span.into())).into_owned()
}

fn nanoseconds(start: SystemTime, later: Duration) -> String {
    let since = start.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since + later).as_nanos().to_string()
}
