//! Rule 8: what is in doubt is refused, and nobody is exempt.

use crate::forger::Forger;
use crate::recorder::Recorder;
use crate::support::{Feed, Setup, Upstream};
use crate::world::{Door, World};

#[tokio::test]
async fn without_keys_no_token_is_good_or_bad() {
    let (recorder, forger) = (Recorder::new().await, Forger::new().await);
    let setup = Setup { servers: vec![recorder.server.address], ..Setup::default() };
    let gateway = setup.start_unready().await;
    for path in ["/private", "/optional", "/admin"] {
        let answer = gateway.get_with(path, &forger.anns()).await;
        answer.expect(503, "unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    gateway.ask("GET /private", &[]).await.expect(401, "unauthenticated");
    assert!(recorder.take().is_empty());
    assert_eq!(gateway.ask("GET /optional", &[]).await.status, 200);
    assert_eq!(gateway.get_with("/public", "whatever").await.status, 200);
}

#[tokio::test]
async fn a_feed_that_never_came_is_doubt_where_the_operator_says_so() {
    let (recorder, forger, feed) = (Recorder::new().await, Forger::new().await, Feed::silent().await);
    let tokens = format!("{}on_stale = \"deny\"", feed.setting());
    let setup = Setup {
        servers: vec![recorder.server.address],
        jwks: Some(forger.url()),
        tokens: &tokens,
        ..Setup::default()
    };
    let gateway = setup.start_unready().await;
    let good = forger.anns();
    test_support::eventually("the keys are there", async || {
        gateway.metrics().await.contains("gateway_key_set_loaded 1").then_some(())
    })
    .await;
    for path in ["/private", "/optional", "/admin"] {
        gateway.get_with(path, &good).await.expect(503, "unavailable");
        gateway.get_with(path, "garbage").await.expect(401, "invalid_token");
    }
    assert!(recorder.take().is_empty());
}

#[tokio::test]
async fn nobody_is_let_in_for_what_they_say_they_are() {
    let world = World::new().await;
    let anonymous = Door { path: "/private", user: "", token: None };
    for header in [
        "User-Agent: kube-probe/1.32",
        "User-Agent: ELB-HealthChecker/2.0",
        "User-Agent: Googlebot",
        "X-Forwarded-For: 127.0.0.1",
        "X-Real-IP: ::1",
        "Forwarded: for=127.0.0.1",
        "X-Forwarded-Host: localhost",
        "X-Original-URL: /public",
        "X-Rewrite-URL: /public",
        "X-Forwarded-Uri: /public",
        "X-Forwarded-Prefix: /public",
        "X-Middleware-Subrequest: middleware",
        "X-Accel-Redirect: /public",
        "X-User-Id: u-ann",
        "X-Internal: true",
        "Referer: http://localhost/public",
        "Origin: http://localhost",
        "Cookie: access_token=x",
        "Sec-Fetch-Site: same-origin",
        "Authorization-: Bearer x",
        "Via: 1.1 gateway",
        "X-Health-Check: 1",
        "X-Original-Method: OPTIONS",
        "X-HTTP-Method-Override: OPTIONS",
    ] {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "DELETE"] {
            let outcome = world
                .send(&anonymous, &format!("{method} {{path}} HTTP/1.1\r\n{{head}}{header}\r\n\r\n"))
                .await;
            assert_eq!((outcome.replies[0].status, outcome.arrived.len()), (401, 0), "{method} {header}");
        }
    }
}

/// A preflight is answered here and never forwarded; a pretended one is no way in.
#[tokio::test]
async fn a_preflight_from_elsewhere_is_refused() {
    let world = World::new().await;
    for headers in [
        "Origin: http://evil.example\r\nAccess-Control-Request-Method: DELETE\r\n",
        "Origin: null\r\nAccess-Control-Request-Method: GET\r\n",
    ] {
        world
            .refuses_bytes(
                &format!("OPTIONS {{path}} HTTP/1.1\r\n{{head}}{headers}\r\n"),
                403,
                "origin_required",
            )
            .await;
    }
}

/// An upstream that cannot be understood is never passed on as an answer.
#[tokio::test]
async fn answers_that_are_none_are_502_or_503() {
    for (answer, statuses) in [
        ("", &[503][..]),
        ("garbage\r\n\r\n", &[502]),
        ("HTTP/1.1\r\n\r\n", &[502]),
        ("HTTP/1.1 99 x\r\n\r\n", &[502]),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", &[502]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", &[502]),
        ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", &[502]),
        ("HTTP/1.1 200 OK\r\nX : a\r\n\r\n", &[502]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", &[502]),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", &[502]),
        ("HTTP/2.0 200 OK\r\n\r\n", &[502]),
        ("HTTP/1.1 200 OK\r\n", &[502, 503]),
    ] {
        let upstream = Upstream::raw(move |mut stream| async move {
            let mut asked = [0; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut asked).await;
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
        })
        .await;
        let gateway = Setup::of(&upstream).start().await;
        let got = gateway.ask("GET /public", &[]).await.status;
        assert!(statuses.contains(&got), "{answer:?}: {got}");
    }
}
