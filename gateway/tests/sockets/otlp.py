"""Reads an OTLP/JSON request from standard input by the published definitions; prints its spans as a list."""

import base64
import json
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

# OTLP/JSON writes ids as hex, where JSON of protobuf has base64.
IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}


def with_base64_ids(value):
    if isinstance(value, list):
        return [with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {key: with_base64_ids(item) for key, item in value.items()}
    for key, length in IDS.items():
        if key in value:
            raw = bytes.fromhex(value[key])
            assert len(raw) == length, (key, value[key])
            changed[key] = base64.b64encode(raw).decode()
    return changed


request = json_format.ParseDict(with_base64_ids(json.load(sys.stdin)), ExportTraceServiceRequest())
spans = []
for resource in request.resource_spans:
    names = {item.key: item.value.string_value for item in resource.resource.attributes}
    assert names["service.name"], "the resource has a name"
    for scope in resource.scope_spans:
        for span in scope.spans:
            spans.append({
                "trace": span.trace_id.hex(),
                "span": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "name": span.name,
                "kind": Span.SpanKind.Name(span.kind),
                "start": span.start_time_unix_nano,
                "end": span.end_time_unix_nano,
                "attributes": {
                    item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes
                },
            })
json.dump(spans, sys.stdout)
