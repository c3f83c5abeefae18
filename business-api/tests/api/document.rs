//! The OpenAPI document: complete, true to the routes, and published as it is.

use business_api::http::document::document;

const PUBLISHED: &str = include_str!("../../../docs/api/orders.openapi.json");

#[test]
fn the_published_document_is_that_of_the_code() {
    let how = "cargo run -p business-api -- openapi > docs/api/orders.openapi.json";
    assert!(
        format!("{:#}\n", document()) == PUBLISHED,
        "docs/api/orders.openapi.json is not what the handlers say; make it anew with\n  {how}"
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
