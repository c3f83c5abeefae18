//! Bodies: streamed both ways, limited, and never left half-read on a connection that is used again.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::{Mutex, mpsc};

use crate::support::{Setup, Upstream, full};

const MEBIBYTE: usize = 1 << 20;

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 977).to_le_bytes()[0]).collect()
}

#[tokio::test]
async fn a_large_body_goes_both_ways_unharmed() {
    let orders = Upstream::answering(|seen| async move { Response::new(full(seen.body)) }).await;
    let gateway = Setup::of(&orders).start().await;
    let body = noise(20 * MEBIBYTE);
    let mut client = gateway.client().await;
    let head = format!("POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send([head.as_bytes(), &body].concat()).await;
    assert!(client.answer(false).await.body == body);
    assert_eq!(orders.last().values("content-length"), [body.len().to_string()]);
}

#[tokio::test]
async fn a_chunked_body_is_framed_anew() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client.send("POST /public HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-User-Id\r\n\r\n").await;
    client.send("5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-User-Id: root\r\n\r\n").await;
    assert_eq!(client.answer(false).await.status, 200);
    let seen = orders.last();
    assert_eq!(seen.body, b"hello world");
    assert_eq!((seen.values("transfer-encoding"), seen.values("trailer").len()), (vec!["chunked"], 0));
    assert_eq!(seen.values("x-user-id"), [""]);
}

/// An upstream whose answer is what the test sends, piece by piece, and which passes on what it receives; `None` is
/// the end, or the loss, of the request's body.
async fn streaming() -> (Upstream, mpsc::UnboundedSender<&'static str>, mpsc::UnboundedReceiver<Option<Bytes>>)
{
    let (to_client, from_test) = mpsc::unbounded_channel::<&'static str>();
    let (to_test, received) = mpsc::unbounded_channel();
    let from_test = Arc::new(Mutex::new(Some(from_test)));
    let upstream = Upstream::serving(move |request: Request<Incoming>| {
        let (from_test, to_test) = (Arc::clone(&from_test), to_test.clone());
        async move {
            tokio::spawn(async move {
                let mut body = request.into_body();
                while let Some(Ok(frame)) = body.frame().await {
                    to_test.send(frame.into_data().ok()).unwrap();
                }
                to_test.send(None).unwrap();
            });
            let pieces = from_test.lock().await.take().expect("one request");
            Response::new(Pieces(pieces).boxed())
        }
    })
    .await;
    (upstream, to_client, received)
}

/// A body of what a test sends.
struct Pieces(mpsc::UnboundedReceiver<&'static str>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(cx)
            .map(|piece| piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }
}

#[tokio::test]
async fn pieces_pass_as_they_come() {
    let (upstream, to_client, mut received) = streaming().await;
    let gateway = Setup::of(&upstream).start().await;
    let mut client = gateway.client().await;
    client.send("POST /public HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let (status, _) = client.head().await.expect("a head before the request's end");
    assert_eq!(status, 200);
    for _ in 0..3 {
        to_client.send("down").unwrap();
        assert_eq!(client.chunk().await.unwrap(), b"down");
        client.send("2\r\nup\r\n").await;
        assert_eq!(received.recv().await.unwrap().unwrap(), "up");
    }
    client.send("0\r\n\r\n").await;
    assert!(received.recv().await.unwrap().is_none());
    drop(to_client);
    assert!(client.chunk().await.is_none());
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_never_begun() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client.send("POST /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\nhello world").await;
    let answer = client.answer(false).await;
    answer.expect(413, "body_too_large");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed().await);
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_stopped() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client.send("POST /small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.send("a\r\n0123456789\r\n").await;
    client.send("1\r\nx\r\n").await;
    client.answer(false).await.expect(413, "body_too_large");
    assert!(client.is_closed().await);
    assert!(orders.seen().is_empty());
    assert_eq!(gateway.ask("GET /public", &[]).await.status, 200);
}

#[tokio::test]
async fn a_refused_client_that_goes_on_sending_still_gets_its_answer() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    let head =
        format!("POST /private HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 50 * MEBIBYTE);
    client.send(head).await;
    let piece = noise(64 << 10);
    for _ in 0..8 {
        client.try_send(&piece).await;
    }
    let answer = client.answer(false).await;
    answer.expect(401, "unauthenticated");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = gateway.client().await;
    client.send(head("/public")).await;
    assert_eq!(client.head().await.unwrap().0, 100);
    client.send("hello").await;
    assert_eq!(client.answer(false).await.status, 200);
    assert_eq!(orders.last().body, b"hello");
    assert!(orders.last().values("expect").is_empty());

    client.send(head("/private")).await;
    assert_eq!(client.head().await.unwrap().0, 401, "without a 100 before");
}

#[tokio::test]
async fn a_body_that_is_framed_wrongly_is_refused() {
    let orders = Upstream::telling().await;
    let gateway = Setup::of(&orders).start().await;
    let mut client = gateway.client().await;
    client
        .send("POST /public HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
        .await;
    client.answer(false).await.expect(400, "bad_request");
    assert!(orders.seen().is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_along() {
    let (upstream, to_client, mut received) = streaming().await;
    let gateway = Setup::of(&upstream).start().await;
    let mut client = gateway.client().await;
    client
        .send("POST /public HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nup\r\n")
        .await;
    assert_eq!(received.recv().await.unwrap().unwrap(), "up");
    drop(client);
    assert!(received.recv().await.unwrap().is_none(), "the upstream's request broke off");
    drop(to_client);
}
