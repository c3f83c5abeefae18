//! The OpenAPI documents, as the processes themselves show them on their private listeners.

use serde_json::Value;
use system_tests::Stack;

#[tokio::test]
async fn each_service_shows_its_document_and_in_development_a_page_of_it() {
    let stack = Stack::start().await;
    for (service, published, operation) in [
        (stack.auth_admin(0), include_str!("../../../docs/api/auth.openapi.json"), "refresh_session"),
        (stack.orders_admin(0), include_str!("../../../docs/api/orders.openapi.json"), "place_order"),
    ] {
        let published: Value = serde_json::from_str(published).unwrap();
        assert_eq!(service.get("/openapi.json").await.expect(200).json(), published);
        let page = service.get("/reference").await.expect(200);
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert!(String::from_utf8_lossy(&page.body).contains(operation));
    }
}
