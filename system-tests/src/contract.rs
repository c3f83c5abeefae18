//! Every answer that an actor gets is held to the published documents.

use std::sync::LazyLock;

use api_contract::Contract;
use test_support::Answer;
use test_support::reqwest::Method;

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let published = [
        include_str!("../../docs/api/auth.openapi.json"),
        include_str!("../../docs/api/orders.openapi.json"),
    ];
    Contract::new(published.map(|text| serde_json::from_str(text).expect("a document")))
});

/// Fails the test when the documents do not promise this answer.
#[track_caller]
pub(crate) fn uphold(method: &Method, path: &str, Answer { status, headers, body }: &Answer) {
    CONTRACT.uphold(&api_contract::Answer { method, path, status: *status, headers, body: Some(body) });
}
