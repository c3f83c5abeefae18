//! Upstreams in HTTP/2 that refuse, leave, break off or fall silent: what is sent again, and what is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{Response, StatusCode};
use test_support::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Notify, mpsc};

use crate::http2::{ask, get};
use crate::http2_upstreams::{gateway_in_clear, serve, server, through};
use crate::support::{Setup, Upstream, full};

/// A server for which the h2 crate is told what to do with each request.
async fn by_hand(answer: impl Fn(SendResponse<Bytes>) + Clone + Send + Sync + 'static) -> Upstream {
    Upstream::raw(move |stream| {
        let answer = answer.clone();
        async move {
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, respond))) = connection.accept().await {
                answer(respond);
                drop(request);
            }
        }
    })
    .await
}

#[tokio::test]
async fn what_was_refused_is_sent_again_once_and_what_was_lost_is_not() {
    for (reason, code, sent) in [
        (Reason::REFUSED_STREAM, "unavailable", 2),
        (Reason::INTERNAL_ERROR, "answer_lost", 1),
        (Reason::CANCEL, "answer_lost", 1),
    ] {
        let (sees, mut seen) = mpsc::unbounded_channel();
        let orders = by_hand(move |mut respond| {
            sees.send(()).unwrap();
            respond.send_reset(reason);
        })
        .await;
        let gateway = gateway_in_clear(&orders).await;
        gateway.ask("POST /public", &["Content-Length: 0"]).await.expect(503, code);
        let mut client = gateway.client().await;
        client.send("POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
        client.answer(false).await.expect(503, code);
        let mut count = 0;
        while seen.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, sent + 1, "{reason:?}: a body is used up");
    }
}

#[tokio::test]
async fn a_stream_that_is_refused_once_costs_no_request() {
    let first = Arc::new(std::sync::Once::new());
    let orders = by_hand(move |mut respond| {
        let mut is_first = false;
        first.call_once(|| is_first = true);
        if is_first {
            respond.send_reset(Reason::REFUSED_STREAM);
        } else {
            respond.send_response(Response::new(()), true).unwrap();
        }
    })
    .await;
    let gateway = gateway_in_clear(&orders).await;
    assert_eq!(gateway.ask("POST /public", &["Content-Length: 0"]).await.status, 200);
    assert_eq!(orders.connections(), 1);
}

#[tokio::test]
async fn a_server_that_says_goaway_finishes_what_it_has_and_gets_no_more_there() {
    let [arrive, leave, go] = [(); 3].map(|()| Arc::new(Notify::new()));
    let [arriving, leaving, going] = [&arrive, &leave, &go].map(Arc::clone);
    let orders = Upstream::raw(move |stream| {
        let [arriving, leaving, going] = [&arriving, &leaving, &going].map(Arc::clone);
        async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            loop {
                tokio::select! {
                    request = connection.accept() => {
                        let Some(Ok((request, mut respond))) = request else { return };
                        let [arriving, going] = [&arriving, &going].map(Arc::clone);
                        tokio::spawn(async move {
                            if request.uri().path() == "/public/slow" {
                                arriving.notify_one();
                                going.notified().await;
                            }
                            let _ = respond.send_response(Response::new(()), true);
                        });
                    }
                    () = leaving.notified() => connection.graceful_shutdown(),
                }
            }
        }
    })
    .await;
    let (_gateway, mut client) = through(&orders, "").await;
    assert_eq!(ask(&mut client, get("/public")).await.0, StatusCode::OK);
    let mut asking = client.clone();
    let slow = tokio::spawn(async move { ask(&mut asking, get("/public/slow")).await.0 });
    arrive.notified().await;
    leave.notify_one();
    eventually("a new connection is used", async || {
        assert_eq!(ask(&mut client, get("/public").method("POST")).await.0, StatusCode::OK);
        (orders.connections() == 2).then_some(())
    })
    .await;
    go.notify_one();
    assert_eq!(slow.await.unwrap(), StatusCode::OK);
    assert_eq!(ask(&mut client, get("/public")).await.0, StatusCode::OK);
    assert_eq!(orders.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_fell_silent_gets_no_more_requests() {
    let first = Arc::new(AtomicBool::new(true));
    let orders = Upstream::raw(move |stream| {
        let hangs = first.swap(false, Ordering::SeqCst);
        serve(stream, 100, move |_| async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Response::new(full("quick"))
        })
    })
    .await;
    let (_gateway, mut client) = through(&orders, "first_byte = \"3s\"").await;
    assert_eq!(ask(&mut client, get("/public").method("POST")).await.0, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(ask(&mut client, get("/public").method("POST")).await.1, "quick");
    assert_eq!(orders.connections(), 2);
}

/// Closes the connection once something was read, or says what is no HTTP/2.
async fn after_reading(says: &'static str, resets: bool) -> Upstream {
    Upstream::raw(move |mut stream| async move {
        // The preface and the settings come first, less than what the request's signed head takes.
        let mut read = Vec::new();
        while read.len() < 300 {
            if !stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
                return;
            }
        }
        let _ = stream.write_all(says.as_bytes()).await;
        if resets {
            stream.set_zero_linger().unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_that_breaks_loses_its_requests() {
    for resets in [false, true] {
        let (lost, other) =
            (after_reading("", resets).await, server(100, |_| async { Response::new(full("other")) }).await);
        let one = gateway_in_clear(&lost).await;
        one.ask("POST /public", &["Content-Length: 0"]).await.expect(503, "answer_lost");
        one.ask("GET /public", &[]).await.expect(503, "answer_lost");
        assert_eq!(lost.connections(), 2, "nothing is sent there again");
        let servers = vec![lost.address, other.address];
        let two = Setup { servers, tables: "http2 = true", ..Setup::default() }.start().await;
        for _ in 0..4 {
            assert_eq!(two.ask("GET /public", &[]).await.body, b"other");
        }
        assert!(lost.connections() > 2, "it was asked first");
    }
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_502() {
    let orders = after_reading("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", false).await;
    let gateway = gateway_in_clear(&orders).await;
    gateway.ask("GET /public", &[]).await.expect(502, "bad_gateway");
}

#[tokio::test]
async fn what_asks_for_nothing_to_be_done_goes_to_another_server() {
    let good = server(100, |_| async { Response::new(full("good")) }).await;
    let lost = by_hand(|mut respond| respond.send_reset(Reason::INTERNAL_ERROR)).await;
    let servers = vec![lost.address, good.address];
    let gateway = Setup { servers, tables: "http2 = true", ..Setup::default() }.start().await;
    for _ in 0..4 {
        assert_eq!(gateway.ask("GET /public", &[]).await.body, b"good");
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("gateway_upstream_retries_total{upstream=\"orders\",result=\"made\"}"));
    assert!(lost.connections() > 0);
}
