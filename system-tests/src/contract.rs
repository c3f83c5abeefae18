//! Every answer that an actor gets is held to the published documents.

use std::sync::LazyLock;

use api_contract::Contract;
use serde_json::{Value, json};
use test_support::Answer;
use test_support::reqwest::Method;

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let published = [
        include_str!("../../docs/api/auth.openapi.json"),
        include_str!("../../docs/api/orders.openapi.json"),
    ];
    Contract::new(published.map(|text| routed(serde_json::from_str(text).expect("a document"))))
});

/// The document without what it calls internal: the gateway routes none of it, so that it answers as at any unknown path.
fn routed(mut document: Value) -> Value {
    let paths = document["paths"].as_object_mut().expect("paths");
    paths.retain(|_, item| {
        let mut operations = item.as_object().into_iter().flatten();
        operations.all(|(_, operation)| operation["tags"] != json!(["internal"]))
    });
    document
}

/// Fails the test when the documents do not promise this answer.
#[track_caller]
pub(crate) fn uphold(method: &Method, path: &str, Answer { status, headers, body }: &Answer) {
    CONTRACT.uphold(&api_contract::Answer { method, path, status: *status, headers, body: Some(body) });
}
