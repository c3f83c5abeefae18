//! Problems as responses: one for each status, with the codes that it may carry.

use std::collections::{BTreeMap, BTreeSet};

use problem::codes;
use serde_json::{Value, json};

use super::shared;

/// Codes by status.
pub(super) type ByStatus = BTreeMap<u16, BTreeSet<String>>;

/// What any request can meet on its way, at the gateway or in the layers of a service.
pub(super) const ANYWHERE: [&str; 15] = [
    codes::BAD_REQUEST,
    codes::IDENTITY_REQUIRED,
    codes::HTTPS_REQUIRED,
    codes::REQUEST_TIMEOUT,
    codes::BODY_TOO_LARGE,
    codes::URI_TOO_LONG,
    codes::EXPECTATION_FAILED,
    codes::MISDIRECTED_REQUEST,
    codes::TOO_MANY_REQUESTS,
    codes::HEADERS_TOO_LARGE,
    codes::INTERNAL,
    codes::BAD_GATEWAY,
    codes::UNAVAILABLE,
    codes::ANSWER_LOST,
    codes::GATEWAY_TIMEOUT,
];

/// What is met where there is no operation.
const NOWHERE: [&str; 5] = [
    codes::NOT_FOUND,
    codes::METHOD_NOT_ALLOWED,
    codes::UNAUTHENTICATED,
    codes::INVALID_TOKEN,
    codes::FORBIDDEN,
];

/// Sorts codes by the status that each goes with. One that is not of our list goes with 0, which no test of a document lets
/// pass.
pub(super) fn by_status<'c>(all: impl IntoIterator<Item = &'c str>) -> ByStatus {
    let mut sorted = ByStatus::new();
    for code in all {
        let (status, _) = codes::meaning(code).unwrap_or_default();
        sorted.entry(status).or_default().insert(code.to_owned());
    }
    sorted
}

/// The responses of `components`, named by their status: to what comes from the gateway, or is at no documented path.
pub(super) fn anywhere() -> ByStatus {
    by_status(ANYWHERE.into_iter().chain(NOWHERE))
}

/// The response with this status and one of these codes.
pub(super) fn response(status: u16, allowed: &BTreeSet<String>) -> Value {
    if anywhere().get(&status) == Some(allowed) {
        return json!({"$ref": format!("#/components/responses/{status}")});
    }
    inline(status, allowed)
}

/// The same, written out.
pub(super) fn inline(status: u16, allowed: &BTreeSet<String>) -> Value {
    let schema = json!({"$ref": "#/components/schemas/Problem", "properties": {"code": {"enum": allowed}}});
    json!({
        "description": description(allowed),
        "headers": shared::headers(status),
        "content": {"application/problem+json": {"schema": schema}},
    })
}

fn description(allowed: &BTreeSet<String>) -> String {
    let meaning = |code: &String| codes::meaning(code).map_or("", |(_, meaning)| meaning);
    allowed.iter().map(|code| format!("`{code}`: {}", meaning(code))).collect::<Vec<_>>().join("\n\n")
}
