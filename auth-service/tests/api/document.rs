//! The OpenAPI document: complete, true to the routes, and published as it is.

use auth_service::http::document::document;

const PUBLISHED: &str = include_str!("../../../docs/api/auth.openapi.json");

#[test]
fn the_published_document_is_that_of_the_code() {
    let current = format!("{:#}\n", document());
    let how = "cargo run -p auth-service -- openapi > docs/api/auth.openapi.json";
    assert!(
        current == PUBLISHED,
        "docs/api/auth.openapi.json is not what the handlers say; make it anew with\n  {how}"
    );
}

#[test]
fn each_route_is_documented_and_each_operation_is_routed() {
    let routed = api_contract::routed(include_str!("../../src/routes.rs"));
    assert_eq!(api_contract::operations(&document()), routed);
}

#[test]
fn the_document_lacks_nothing() {
    assert_eq!(api_contract::lacks(&document()), Vec::<String>::new());
}
