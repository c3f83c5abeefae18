//! Rule 7, first half: where a request ends is said once, or the request is refused and the connection closed.
//!
//! In each case a second request is hidden where a careless reader would find one. It goes to `/admin`, so that
//! whoever reads it by the rules answers 401 and whoever forwards it unread is caught: the recorder takes nothing
//! that the gateway did not sign.

use crate::recorder::Recorder;
use crate::support::Setup;
use crate::world::{Door, World, assert_true};

const HIDDEN: &str = "GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A POST with these framing headers and these bytes after the head.
fn post(headers: &str, rest: &str) -> String {
    format!("POST {{path}} HTTP/1.1\r\n{{head}}{headers}\r\n{rest}")
}

/// Refused by hyper or by us, on every door, and the connection is over: nobody guesses where the next request begins.
async fn closes(world: &World, bytes: &str) {
    for door in world.doors() {
        let outcome = world.send(&door, bytes).await;
        let statuses: Vec<_> = outcome.replies.iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [400], "{bytes:?} on {door:?}");
        assert!(outcome.arrived.is_empty() && !outcome.kept, "{bytes:?} on {door:?}: {:?}", outcome.arrived);
    }
}

#[tokio::test]
async fn a_length_is_plain_digits_and_said_once() {
    let world = World::new().await;
    for length in [
        "+5",
        "-5",
        "-1",
        "0x5",
        "5 5",
        "5,5",
        "5;",
        "5.0",
        "1e1",
        "\"5\"",
        "a",
        "99999999999999999999999",
        "\u{b}5",
        "5\u{a0}",
    ] {
        closes(&world, &post(&format!("Content-Length: {length}\r\n"), &format!("hello{HIDDEN}"))).await;
    }
    for lines in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5\r\nContent-Length: x\r\n",
    ] {
        closes(&world, &post(lines, &format!("hello{HIDDEN}"))).await;
    }
}

/// RFC 9112 section 6.3 lets a reader take equal ones for one; the upstream is told once.
#[tokio::test]
async fn equal_lengths_are_one() {
    let world = World::new().await;
    for lines in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 005\r\n",
        "Content-Length:5\r\n",
        "Content-Length:  \t5 \t\r\n",
    ] {
        for arrived in world.passes_bytes(&post(lines, "hello"), true).await {
            assert_eq!(
                (arrived.body.as_slice(), arrived.values("content-length")),
                (&b"hello"[..], vec!["5"])
            );
        }
    }
}

#[tokio::test]
async fn a_transfer_coding_is_one_line_and_chunked() {
    let world = World::new().await;
    for lines in [
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked \u{b}\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    ] {
        closes(&world, &post(lines, &format!("0\r\n\r\n{HIDDEN}"))).await;
        closes(&world, &post(&format!("Content-Length: 5\r\n{lines}"), &format!("0\r\n\r\n{HIDDEN}"))).await;
    }
    for lines in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
    ] {
        for door in world.doors() {
            let outcome = world.send(&door, &post(lines, &format!("0\r\n\r\n{HIDDEN}"))).await;
            assert_eq!(
                (outcome.replies[0].status, outcome.replies[0].code.as_str()),
                (400, "bad_request"),
                "{lines}"
            );
            assert!(outcome.arrived.is_empty(), "{lines}");
        }
    }
}

/// Both kinds: the coding decides (RFC 9112 section 6.3), and the connection ends with the answer.
#[tokio::test]
async fn a_length_beside_a_coding_ends_the_connection() {
    let world = World::new().await;
    for lines in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 0\r\n",
        "Content-Length: 60000\r\ntransfer-encoding: CHUNKED\r\n",
    ] {
        for arrived in world.passes_bytes(&post(lines, &format!("0\r\n\r\n{HIDDEN}")), false).await {
            assert!(
                arrived.body.is_empty()
                    && arrived.values("content-length").iter().all(|length| *length == "0")
            );
        }
        for arrived in
            world.passes_bytes(&post(lines, &format!("5\r\nhello\r\n0\r\n\r\n{HIDDEN}")), false).await
        {
            assert_eq!((arrived.body.as_slice(), arrived.values("content-length")), (&b"hello"[..], vec![]));
        }
    }
}

#[tokio::test]
async fn old_requests_have_no_chunks() {
    let world = World::new().await;
    for lines in [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: keep-alive\r\n",
    ] {
        closes(&world, &post(lines, &format!("0\r\n\r\n{HIDDEN}")).replace("HTTP/1.1", "HTTP/1.0")).await;
    }
}

/// A body that goes wrong is not a request that the upstream acts on.
#[tokio::test]
async fn chunks_that_another_reader_might_count_differently() {
    let world = World::new().await;
    let chunked = "Transfer-Encoding: chunked\r\n";
    for body in [
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\nhello\n0\n\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 x\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5;a=b\nhello\r\n0\r\n\r\n",
        "g\r\nhello\r\n0\r\n\r\n",
        ";\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX y\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
    ] {
        for door in world.doors() {
            let outcome = world.send(&door, &post(chunked, &format!("{body}{HIDDEN}"))).await;
            let statuses: Vec<_> = outcome.replies.iter().map(|reply| reply.status).collect();
            assert!(
                outcome.arrived.is_empty() && !outcome.kept,
                "{body:?} on {door:?}: {statuses:?} {:?}",
                outcome.arrived
            );
            assert_eq!(statuses, [400], "{body:?} on {door:?}");
        }
    }
}

/// Extensions mean nothing and do not pass; nor do they hide anything.
#[tokio::test]
async fn chunk_extensions_do_not_arrive() {
    let world = World::new().await;
    for size in ["5;a=b", "5;a=\"b;c\"", "005", "5;", "5 ;a", "5\t;a"] {
        let bytes = post("Transfer-Encoding: chunked\r\n", &format!("{size}\r\nhello\r\n0\r\n\r\n{HIDDEN}"));
        for door in world.doors() {
            let outcome = world.send(&door, &bytes).await;
            let statuses: Vec<_> = outcome.replies.iter().map(|reply| reply.status).collect();
            assert_eq!((&statuses[..], outcome.arrived.len()), (&[200, 401][..], 1), "{size}");
            assert_eq!(outcome.arrived[0].body, b"hello", "{size}");
        }
    }
    let long = format!("5;{}", "x".repeat(64 << 10));
    closes(&world, &post("Transfer-Encoding: chunked\r\n", &format!("{long}\r\nhello\r\n0\r\n\r\n{HIDDEN}")))
        .await;
}

#[tokio::test]
async fn heads_that_another_reader_might_split_differently() {
    let world = World::new().await;
    for head in [
        "X: a\rX-User-Role: ADMIN\r\n",
        "X: a\r\n\tfolded\r\n",
        "X: a\r\n X-User-Id: root\r\n",
        "X : a\r\n",
        "X\r\n",
        ": a\r\n",
        "X\0: a\r\n",
        "X: a\0b\r\n",
        "X\r: a\r\n",
        "\rX: a\r\n",
        "X: \u{1}\r\n",
        "X: \u{7f}\r\n",
        "X,Y: a\r\n",
    ] {
        closes(&world, &format!("GET {{path}} HTTP/1.1\r\n{{head}}{head}\r\n{HIDDEN}")).await;
    }
    for line in [
        "GET {path} HTTP/1.2\r\n",
        "GET {path} HTTP/2\r\n",
        "GET {path} HTTP/11\r\n",
        "GET {path} http/1.1\r\n",
        "GET {path} HTTP/1.1 \r\n",
        "GET  {path} HTTP/1.1\r\n",
        "GET\t{path} HTTP/1.1\r\n",
        "GET {path}  HTTP/1.1\r\n",
        "GET {path}\tHTTP/1.1\r\n",
        "GET {path} HTTP/0.9\r\n",
        "GET {path}\r\n",
        "GET {path} x HTTP/1.1\r\n",
        " GET {path} HTTP/1.1\r\n",
        "GET\r{path} HTTP/1.1\r\n",
    ] {
        closes(&world, &format!("{line}{{head}}\r\n{HIDDEN}")).await;
    }
}

/// A bare LF ends a line for hyper; what goes upstream has CR LF and is signed.
#[tokio::test]
async fn bare_line_feeds_are_made_whole() {
    let world = World::new().await;
    world.passes_bytes("GET {path} HTTP/1.1\n{head}X: 1\n\n", true).await;
    for arrived in
        world.passes_bytes("GET {path} HTTP/1.1\r\n{head}X: a\nX-User-Role: ADMIN\r\n\r\n", true).await
    {
        assert_eq!(arrived.values("x"), ["a"]);
    }
}

#[tokio::test]
async fn hosts_and_authorizations_are_one() {
    let world = World::new().await;
    for lines in ["Host: localhost\r\n", "Host: other\r\n", "host: localhost\r\n", "HOST:\r\n"] {
        world
            .refuses_bytes(&format!("GET {{path}} HTTP/1.1\r\n{{head}}{lines}\r\n"), 400, "bad_request")
            .await;
    }
    for host in [
        "",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: a,b\r\n",
        "Host: a/b\r\n",
        "Host: u@a\r\n",
        "Host: a:x\r\n",
        "Host: [::1\r\n",
        "Host: \u{e4}\r\n",
        "Host: a?b\r\n",
        "Host: a#b\r\n",
        "Host: .\r\n",
    ] {
        world.refuses_bytes(&format!("GET {{path}} HTTP/1.1\r\n{host}\r\n"), 400, "bad_request").await;
        world.refuses_bytes(&format!("GET {{path}} HTTP/1.0\r\n{host}\r\n"), 400, "bad_request").await;
    }
    for lines in [
        "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n",
        "authorization: x\r\nAUTHORIZATION: y\r\n",
        "Authorization:\r\nAuthorization:\r\n",
    ] {
        world
            .refuses_bytes(&format!("GET {{path}} HTTP/1.1\r\n{{head}}{lines}\r\n"), 400, "bad_request")
            .await;
    }
}

#[tokio::test]
async fn expectations_are_100_continue_or_none() {
    let world = World::new().await;
    for expect in ["200-ok", "100-continue, x", "", "100-continuee", "magic"] {
        world
            .refuses_bytes(
                &format!("POST {{path}} HTTP/1.1\r\n{{head}}Content-Length: 0\r\nExpect: {expect}\r\n\r\n"),
                417,
                "expectation_failed",
            )
            .await;
    }
}

/// An answer that comes before the body: the rest of the body is never read as a request.
#[tokio::test]
async fn a_body_that_is_left_behind_is_no_request() {
    let world = World::new().await;
    let anonymous = Door { path: "/private", user: "", token: None };
    for bytes in [
        post("Content-Length: 1000000\r\n", HIDDEN),
        post("Transfer-Encoding: chunked\r\n", &format!("f4240\r\n{HIDDEN}")),
        post("Content-Length: 1000000\r\nExpect: 100-continue\r\n", HIDDEN),
    ] {
        let outcome = world.send(&anonymous, &bytes).await;
        let statuses: Vec<_> = outcome.replies.iter().map(|reply| reply.status).collect();
        assert_eq!((&statuses[..], outcome.kept), (&[401][..], false), "{bytes:?}");
        assert!(outcome.arrived.is_empty());
    }
}

/// Whatever is sent, an upstream gets whole requests that the gateway signed, or nothing: the recorder checks.
#[tokio::test]
async fn two_requests_in_one_write_are_two_requests() {
    let world = World::new().await;
    for door in world.doors() {
        let one = post("Content-Length: 5\r\n", "hello");
        let outcome = world.send(&door, &format!("{one}{one}{one}")).await;
        assert_eq!((outcome.replies.len(), outcome.arrived.len(), outcome.kept), (3, 3, true));
        let outcome = world.send(&door, &format!("{one}{HIDDEN}{one}")).await;
        let statuses: Vec<_> = outcome.replies.iter().map(|reply| reply.status).collect();
        assert_eq!((&statuses[..], outcome.arrived.len(), outcome.kept), (&[200, 401, 200][..], 2, true));
    }
}

/// The upstream answers at the head, the client sends half of its body and leaves: what others ask is not taken for
/// the other half.
#[tokio::test]
async fn half_a_body_is_not_finished_by_somebody_elses_request() {
    let recorder = Recorder::answering_early().await;
    let gateway = Setup { servers: vec![recorder.server.address], ..Setup::default() }.start_unready().await;
    let length = HIDDEN.len() + 200;
    for framing in [format!("Content-Length: {length}"), "Transfer-Encoding: chunked".to_owned()] {
        let mut client = gateway.client().await;
        client.send(format!("POST /public HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n")).await;
        if framing.starts_with('T') {
            client.send(format!("{length:x}\r\n")).await;
        }
        client.send(HIDDEN).await;
        assert_eq!(client.answer(false).await.status, 200);
        for _ in 0..5 {
            assert_eq!(gateway.ask("GET /public/next", &[]).await.status, 200);
        }
        drop(client);
        for _ in 0..5 {
            assert_eq!(gateway.ask("GET /public/next", &[]).await.status, 200);
        }
        let arrived = recorder.take();
        assert_eq!(arrived.len(), 10, "{arrived:?}");
        for arrived in &arrived {
            assert_true(arrived, "", "http");
        }
    }
}
