//! What a peer with an idle connection sees of a stop.
#![expect(clippy::expect_used, reason = "tests")]

use axum::Router;
use axum::routing::get;
use test_support::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("a connection that is open");
    let mut answer = String::new();
    eventually("the answer is whole", async || {
        let mut bytes = [0; 1024];
        let length = stream.read(&mut bytes).await.expect("an answer");
        answer.push_str(&String::from_utf8_lossy(&bytes[..length]));
        answer.ends_with("hello").then_some(())
    })
    .await;
    answer.to_lowercase()
}

#[tokio::test]
async fn a_request_that_crosses_the_stop_is_answered_and_told_to_close() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = Router::new().route("/", get(async || "hello"));
    let serving = tokio::spawn(http_api::serve(listener, router, async {
        let _ = stopped.await;
    }));
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert!(!ask(&mut idle).await.contains("connection: close"));

    stop.send(()).unwrap();
    eventually("nobody listens any more", async || TcpStream::connect(address).await.err()).await;
    assert!(ask(&mut idle).await.contains("connection: close"));
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0, "the connection is closed after its answer");
    serving.await.unwrap();
}
