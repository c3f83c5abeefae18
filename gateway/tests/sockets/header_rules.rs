//! What a route's operator adds to requests and answers, and takes out of them.

use http::Response;

use crate::support::{Setup, Upstream, full};

#[tokio::test]
async fn a_routes_rules_change_its_requests_and_answers() {
    let orders = Upstream::answering(|_| async {
        let answer = Response::builder().header("server", "leaky/1.0").header("cache-control", "public");
        answer.body(full("seen")).unwrap()
    })
    .await;
    let tables = "[[routes]]\npath = \"/ruled\"\nupstream = \"orders\"\naccess = \"public\"\n\
                  request_headers = { set = { X-Api-Key = \"ours\" }, remove = [\"X-Debug\"] }\n\
                  response_headers = { set = { Cache-Control = \"no-store\" }, remove = [\"Server\"] }\n";
    let gateway = Setup { tables, ..Setup::of(&orders) }.start().await;
    let sent = ["X-Api-Key: theirs", "X-Api-Key: another", "X-Debug: 1", "X-Other: stays"];

    let answer = gateway.ask("GET /ruled", &sent).await;
    let seen = orders.last();
    assert_eq!(seen.values("x-api-key"), ["ours"]);
    assert!(seen.values("x-debug").is_empty());
    assert_eq!(seen.values("x-other"), ["stays"]);
    assert_eq!((answer.header("cache-control"), answer.header("server")), (Some("no-store"), None));

    let answer = gateway.ask("GET /public", &sent).await;
    assert_eq!(orders.last().values("x-api-key"), ["theirs", "another"]);
    assert_eq!(answer.header("server"), Some("leaky/1.0"));
}
