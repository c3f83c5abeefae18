//! `components`: the problem, the headers, how a caller proves who they are, and the answers that any request can get.

use serde_json::{Map, Value, json};

use super::object;
use super::problems;

/// Adds what both services have in common.
pub(super) fn add(components: &mut Map<String, Value>) {
    let part = |components: &mut Map<String, Value>, name: &str, value: Value| {
        if let Value::Object(members) = value {
            object(components.entry(name).or_insert(Value::Null)).extend(members);
        }
    };
    part(components, "schemas", schemas());
    part(components, "headers", header_components());
    part(components, "securitySchemes", security_schemes());
    let responses = problems::anywhere();
    let responses =
        responses.iter().map(|(status, allowed)| (status.to_string(), problems::inline(*status, allowed)));
    part(components, "responses", Value::Object(responses.collect()));
}

/// The headers that an answer with this status always has.
pub(super) fn headers(status: u16) -> Map<String, Value> {
    let further = match status {
        401 => Some("WWW-Authenticate"),
        405 => Some("Allow"),
        429 | 503 => Some("Retry-After"),
        _ => None,
    };
    let names = std::iter::once("X-Request-Id").chain(further);
    names.map(|name| (name.to_owned(), json!({"$ref": format!("#/components/headers/{name}")}))).collect()
}

fn header_components() -> Value {
    let header = |description: &str, schema: Value| json!({"description": description, "required": true, "schema": schema});
    json!({
        "X-Request-Id": header("Under this id the request stands in the logs.", json!({"type": "string"})),
        "WWW-Authenticate": header(
            "`Bearer`, with `error` when a token was sent (RFC 6750, section 3).",
            json!({"type": "string", "pattern": "^(Bearer|Basic)"}),
        ),
        "Allow": header("The methods that this path answers.", json!({"type": "string"})),
        "Retry-After": header("Seconds after which another try is worth while.", json!({"type": "integer", "minimum": 0})),
    })
}

fn schemas() -> Value {
    let problem = json!({
        "type": "object",
        "description": "An error (RFC 9457). `code` is for programs and is never renamed; `detail` and `message` are for people.",
        "required": ["type", "title", "status", "detail", "code", "requestId"],
        "properties": {
            "type": {"type": "string", "format": "uri", "examples": ["urn:portcullis:problem:invalid_fields"]},
            "title": {"type": "string", "examples": ["Unprocessable Entity"]},
            "status": {"type": "integer", "examples": [422]},
            "detail": {"type": "string", "examples": ["Some fields are not acceptable."]},
            "code": {"type": "string", "examples": ["invalid_fields"]},
            "requestId": {"type": "string"},
            "errors": {
                "type": "array",
                "description": "The refused fields. In 422 answers only.",
                "items": {"$ref": "#/components/schemas/FieldError"},
            },
            "challenge": {"type": "string", "description": "With `mfa_required` only: what the second step of the login is asked with."},
            "expiresIn": {"type": "integer", "description": "With `mfa_required` only: for how many seconds the challenge is good."},
            "methods": {
                "type": "array",
                "description": "With `mfa_required` only: which codes the second step takes.",
                "items": {"type": "string", "enum": ["otp", "recovery"]},
            },
        },
    });
    let field = json!({
        "type": "object",
        "required": ["field", "code", "message"],
        "properties": {
            "field": {"type": "string", "description": "Its path in the body.", "examples": ["items[0].quantity"]},
            "code": {"type": "string", "examples": ["required"]},
            "message": {"type": "string"},
        },
    });
    json!({"Problem": problem, "FieldError": field})
}

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The `accessToken` that a login or a refresh answered. The gateway verifies it.",
        },
    })
}
