//! Requests that can be read in more than one way: refused before anything else sees them.

use crate::support::{Setup, Upstream};

/// Sends bytes; answers the status, and the code where there is one. hyper's own refusals have no body.
async fn refused(gateway: &crate::support::Gateway, bytes: &str) -> (u16, String) {
    let mut client = gateway.client().await;
    client.send(bytes).await;
    let answer = client.answer(false).await;
    let code = if answer.body.is_empty() { String::new() } else { answer.code() };
    (answer.status, code)
}

#[tokio::test]
async fn ambiguous_requests_reach_nobody() {
    let orders = Upstream::telling().await;
    let gateway = Setup { top: "hosts = [\"localhost\"]", ..Setup::of(&orders) }.start().await;
    let host = "Host: localhost\r\n";
    for (request, status, code) in [
        (format!("GET /public HTTP/1.1\r\n{host}{host}\r\n"), 400, "bad_request"),
        ("GET /public HTTP/1.1\r\n\r\n".into(), 400, "bad_request"),
        ("GET /public HTTP/1.1\r\nHost: other\r\n\r\n".into(), 421, "misdirected_request"),
        (format!("GET http://localhost/public HTTP/1.1\r\n{host}\r\n"), 400, "bad_request"),
        (format!("GET /public/../admin HTTP/1.1\r\n{host}\r\n"), 400, "bad_request"),
        (format!("GET /public/%2e%2e/admin HTTP/1.1\r\n{host}\r\n"), 400, "bad_request"),
        (format!("GET /public%2fx HTTP/1.1\r\n{host}\r\n"), 400, "bad_request"),
        (format!("GET //public HTTP/1.1\r\n{host}\r\n"), 400, "bad_request"),
        (format!("GET /public/%zz HTTP/1.1\r\n{host}\r\n"), 400, "bad_request"),
        (
            format!("GET /public HTTP/1.1\r\n{host}Authorization: a\r\nAuthorization: b\r\n\r\n"),
            400,
            "bad_request",
        ),
        (format!("GET /public HTTP/1.1\r\n{host}Connection: X-User-Id\r\n\r\n"), 400, "bad_request"),
        (
            format!("GET /public HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
            400,
            "bad_request",
        ),
        (format!("GET /public HTTP/1.1\r\n{host}Expect: more\r\n\r\n"), 417, "expectation_failed"),
        (
            format!("POST /public HTTP/1.1\r\n{host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            400,
            "bad_request",
        ),
        (
            format!(
                "POST /public HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            400,
            "bad_request",
        ),
        (format!("CONNECT localhost:80 HTTP/1.1\r\n{host}\r\n"), 405, "method_not_allowed"),
        (format!("TRACE /public HTTP/1.1\r\n{host}\r\n"), 405, "method_not_allowed"),
        (format!("BREW /public HTTP/1.1\r\n{host}\r\n"), 405, "method_not_allowed"),
        (format!("GET /nowhere HTTP/1.1\r\n{host}\r\n"), 404, "not_found"),
        (format!("GET /publicx HTTP/1.1\r\n{host}\r\n"), 404, "not_found"),
        // From here on hyper itself refuses, without a body.
        (format!("POST /public HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n"), 400, ""),
        (format!("POST /public HTTP/1.0\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, ""),
        (format!("POST /public HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400, ""),
        (format!("POST /public HTTP/1.1\r\n{host}Content-Length: +1\r\n\r\na"), 400, ""),
        (format!("GET /public HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n"), 400, ""),
        (format!("GET /public HTTP/1.1\r\n{host}X : a\r\n\r\n"), 400, ""),
        (format!("GET /public HTTP/1.1\r\n{host}X: {}\r\n\r\n", "x".repeat(70_000)), 431, ""),
    ] {
        assert_eq!(refused(&gateway, &request).await, (status, code.to_owned()), "{request:.120}");
    }
    assert!(orders.seen().is_empty(), "{:?}", orders.seen());
}

#[tokio::test]
async fn chunked_wins_over_a_length_and_the_connection_ends() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client
        .send(
            "POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        .await;
    let answer = client.answer(false).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(client.is_closed().await);
    let seen = orders.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!((seen[0].body.as_slice(), seen[0].values("content-length").len()), (b"abc".as_slice(), 0));
}

/// What hyper reads leniently leaves the gateway in the strict form, so that nobody behind can read it otherwise.
#[tokio::test]
async fn lenient_spellings_are_written_anew() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    for (request, target, body) in [
        ("GET /public/lf HTTP/1.1\nHost: localhost\n\n", "/public/lf", ""),
        ("GET /public/a?b#/../../admin HTTP/1.1\r\nHost: localhost\r\n\r\n", "/public/a?b", ""),
        (
            "POST /public/twice HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 03\r\n\r\nabc",
            "/public/twice",
            "abc",
        ),
        (
            "POST /public/under HTTP/1.1\r\nHost: localhost\r\nTransfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "/public/under",
            "0\r\n\r\n",
        ),
    ] {
        let mut client = gateway.client().await;
        client.send(request).await;
        assert_eq!(client.answer(false).await.status, 200, "{request}");
        let seen = orders.last();
        assert_eq!((seen.uri.to_string().as_str(), seen.body.as_slice()), (target, body.as_bytes()));
        let length = if body.is_empty() { vec![] } else { vec![body.len().to_string()] };
        assert_eq!(seen.values("content-length"), length, "{request}");
    }
}

#[tokio::test]
async fn an_old_client_is_served_and_told_goodbye() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client.send("GET /public HTTP/1.0\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(client.answer(false).await.body, b"seen");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(client.head().await.is_none_or(|(status, _)| status >= 400));
}
