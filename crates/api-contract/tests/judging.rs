//! What is a breach, and what is not.
#![expect(clippy::unwrap_used, reason = "tests")]

use api_contract::{Answer, Contract};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

fn contract() -> Contract {
    let problem =
        json!({"$ref": "#/components/schemas/Problem", "properties": {"code": {"enum": ["not_found"]}}});
    let busy = json!({"headers": {"Retry-After": {"required": true, "schema": {"type": "integer"}}}});
    Contract::new([json!({
        "info": {"title": "Things"},
        "paths": {"/things/{id}": {"get": {"responses": {
            "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
            "204": {},
            "404": {"content": {"application/problem+json": {"schema": problem}}},
            "503": {"$ref": "#/components/responses/503"},
        }}}},
        "components": {
            "responses": {"405": {}, "503": busy},
            "schemas": {
                "Thing": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}}},
                "Problem": {"type": "object", "properties": {"code": {"type": "string"}}},
            },
        },
    })])
}

/// The breach that an answer is, or nothing.
fn judged(method: Method, path: &str, status: u16, headers: &HeaderMap, body: &str) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = Answer { method: &method, path, status, headers, body: Some(body.as_bytes()) };
    contract().check(&answer).err().map(|breach| breach.to_string()).unwrap_or_default()
}

#[test]
fn a_body_has_the_documented_form() {
    let check = |media_type: &'static str, status, body: &Value, expected: &str| {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        let breach = judged(Method::GET, "/things/1?x=y", status, &headers, &body.to_string());
        assert!(breach.contains(expected) && breach.is_empty() == expected.is_empty(), "{body}: {breach}");
    };
    let id = "0199c0de-0000-7000-8000-000000000001";
    check("application/json; charset=utf-8", 200, &json!({"id": id}), "");
    check("application/json", 200, &json!({"id": "x"}), "uuid");
    check("application/json", 200, &json!({}), "required");
    check("application/json", 200, &json!({"id": id, "secret": 1}), "secret");
    check("text/plain", 200, &json!({"id": id}), "media type text/plain");
    check("application/problem+json", 404, &json!({"code": "not_found"}), "");
    check("application/problem+json", 404, &json!({"code": "internal"}), "internal");
    check("application/json", 201, &json!({"id": id}), "no such status");
    check("application/json", 204, &json!({"id": id}), "no body");
}

#[test]
fn headers_that_are_promised_are_there() {
    let with = |value: &'static str| HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
    let judge = |headers: &HeaderMap| judged(Method::GET, "/things/1", 503, headers, "");
    assert_eq!(judge(&with("3")), "");
    assert!(judge(&HeaderMap::new()).contains("no Retry-After"));
    assert!(judge(&with("soon")).contains("no number"));
}

#[test]
fn beside_the_operations_only_what_is_possible_anywhere() {
    let judge = |method, path, status| judged(method, path, status, &HeaderMap::new(), "");
    assert_eq!(judge(Method::PUT, "/things/1", 405), "");
    assert_eq!(judge(Method::OPTIONS, "/things/1", 204), "");
    assert!(judge(Method::PUT, "/things/1", 204).contains("no such status"));
    assert!(judge(Method::GET, "/else", 200).contains("no such status"));
}
