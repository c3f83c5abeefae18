//! One operation, completed: its problems, and the headers of its answers.

use problem::codes;
use serde_json::{Value, json};

use super::problems::{self, ANYWHERE};
use super::{INTERNAL, OWN_ERRORS, PROBLEMS, object, shared};

/// Puts in what the handler did not have to say.
pub(super) fn complete(path: &str, operation: &mut Value, secured: &Value) {
    let own = object(operation).remove(PROBLEMS).unwrap_or_default();
    let has_own_errors = object(operation).remove(OWN_ERRORS).is_some();
    let own = own.as_array().into_iter().flatten().filter_map(Value::as_str);
    let all = own.chain(implied(path, operation, secured)).chain(ANYWHERE).collect::<Vec<_>>();
    if let Some(body) = operation.get_mut("requestBody") {
        object(&mut body["content"]).values_mut().for_each(without_null);
    }
    let responses = object(&mut operation["responses"]);
    for (status, response) in responses.iter_mut() {
        answer(response, status.parse().unwrap_or_default());
    }
    if has_own_errors {
        return;
    }
    for (status, allowed) in problems::by_status(all.iter().copied()) {
        responses.insert(status.to_string(), problems::response(status, &allowed));
    }
}

/// A body that may be left out is described as one that may be `null`, which nobody accepts.
fn without_null(content: &mut Value) {
    let body = content["schema"]["oneOf"]
        .as_array()
        .and_then(|choices| choices.iter().find(|one| one["type"] != "null"));
    if let Some(body) = body.cloned() {
        content["schema"] = body;
    }
}

/// Headers that each answer has, beside its own.
fn answer(response: &mut Value, status: u16) {
    let headers = object(&mut response["headers"]);
    headers.extend(shared::headers(status));
    for (_, header) in headers.iter_mut().filter(|(_, header)| header.get("$ref").is_none()) {
        // A description that begins so is a promise; the test clients hold the service to it.
        let is_always_there = header["description"].as_str().is_some_and(|text| text.starts_with("Always"));
        if is_always_there {
            header["required"] = json!(true);
        }
    }
}

/// The problems that follow from what an operation takes.
fn implied(path: &str, operation: &Value, secured: &Value) -> Vec<&'static str> {
    let mut found = Vec::new();
    let security = operation.get("security").unwrap_or(secured);
    let is_internal = operation["tags"].as_array().is_some_and(|tags| tags.contains(&json!(INTERNAL)));
    if names(security, "bearer") && !is_internal {
        // Refused is who lacks the role, and a client with a token of its own where users are meant, or the reverse.
        found.extend([codes::UNAUTHENTICATED, codes::INVALID_TOKEN, codes::FORBIDDEN]);
    }
    if path.contains('{') {
        found.push(codes::NOT_FOUND);
    }
    if operation.get("requestBody").is_some() {
        found.extend([codes::MALFORMED_JSON, codes::UNSUPPORTED_MEDIA_TYPE, codes::INVALID_FIELDS]);
    }
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    if parameters.filter(|parameter| parameter["in"] == "query").count() > 0 {
        found.push(codes::INVALID_QUERY);
    }
    found
}

fn names(security: &Value, scheme: &str) -> bool {
    security.as_array().into_iter().flatten().any(|choice| choice.get(scheme).is_some())
}
