//! Many at once: floods, slow ones and large ones cost the others nothing, and nobody becomes somebody else.

use std::time::{Duration, Instant};

use http::Response;
use serde_json::json;
use tokio::task::JoinSet;

use crate::forger::Forger;
use crate::support::{Client, Gateway, Setup, Upstream, full};
use crate::world::{Ask, World};

/// Tells each caller who it took it for, and what it was asked.
async fn echo() -> Upstream {
    Upstream::answering(|seen| async move {
        let (user, role) = (seen.values("x-user-id")[0], seen.values("x-user-role")[0]);
        let mine = seen.values("x-mine").first().copied().unwrap_or_default();
        Response::new(full(format!("{user} {role} {mine}")))
    })
    .await
}

/// 20,000 requests of 200 users and of nobody over 100 connections, in one heap: everybody is themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_requests_and_not_one_wrong_identity() {
    const CONNECTIONS: usize = 100;
    const REQUESTS: usize = 200;
    let (upstream, forger) = (echo().await, Forger::new().await);
    let gateway = Setup { jwks: Some(forger.url()), ..Setup::of(&upstream) }.start().await;
    let token = |number: usize| {
        let mut claims = forger.claims();
        claims["sub"] = json!(format!("u-{number:03}"));
        claims["role"] = json!(if number.is_multiple_of(3) { "ADMIN" } else { "USER" });
        forger.sign(&forger.header().to_string(), &claims.to_string())
    };
    let tokens: std::sync::Arc<Vec<String>> = std::sync::Arc::new((0..200).map(token).collect());
    let mut clients = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let (tokens, address) = (std::sync::Arc::clone(&tokens), gateway.address);
        clients.spawn(async move {
            let mut client = Client::connect(address).await;
            for turn in 0..REQUESTS {
                // A walk through the users that differs from connection to connection.
                let user = (connection * 7919 + turn * 104_729) % 200;
                let mine = format!("X-Mine: {connection}-{turn}");
                let authorization = format!("Authorization: Bearer {}", tokens[user]);
                let admin = user.is_multiple_of(3);
                let role = if admin { "ADMIN" } else { "USER" };
                let (path, headers, expected) = match turn % 4 {
                    0 => ("/public", vec![&*mine, &*authorization], Some(format!("  {connection}-{turn}"))),
                    1 => ("/optional", vec![&*mine], Some(format!("  {connection}-{turn}"))),
                    2 => (
                        "/admin",
                        vec![&*mine, &*authorization],
                        admin.then(|| format!("u-{user:03} ADMIN {connection}-{turn}")),
                    ),
                    _ => (
                        "/private",
                        vec![&*mine, &*authorization],
                        Some(format!("u-{user:03} {role} {connection}-{turn}")),
                    ),
                };
                let answer = client.ask(&format!("GET {path}"), &headers).await;
                match expected {
                    Some(expected) => assert_eq!(String::from_utf8(answer.body).unwrap(), expected),
                    None => answer.expect(403, "forbidden"),
                }
            }
            REQUESTS
        });
    }
    assert_eq!(clients.join_all().await.into_iter().sum::<usize>(), 20_000);
}

/// The median of 300 requests over one connection.
async fn median(gateway: &Gateway) -> Duration {
    let mut client = gateway.client().await;
    let mut times = Vec::new();
    for _ in 0..300 {
        let began = Instant::now();
        assert_eq!(client.ask("GET /public", &[]).await.status, 200);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// Slow in every way there is: a head that comes by drops, a body that does, an answer that is not read, and nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_slow_clients_do_not_slow_a_fast_one() {
    let upstream = Upstream::answering(|seen| async move {
        let size = if seen.uri.path() == "/public/large" { 1 << 20 } else { 4 };
        Response::new(full(vec![b'x'; size]))
    })
    .await;
    let gateway = Setup::of(&upstream).start().await;
    let before = median(&gateway).await;
    let mut slow = Vec::new();
    for number in 0..500 {
        let mut client = gateway.client().await;
        let begins = match number % 4 {
            0 => "GET /public HTTP/1.1\r\nHost: loc",
            1 => "POST /public HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx",
            2 => "GET /public/large HTTP/1.1\r\nHost: localhost\r\n\r\n",
            _ => "",
        };
        client.send(begins).await;
        slow.push((client, number % 4));
    }
    let dripping = async {
        loop {
            for (client, kind) in &mut slow {
                if *kind < 2 {
                    client.try_send(b"a").await;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let after = tokio::select! {
        median = median(&gateway) => median,
        () = dripping => unreachable!("it drips on"),
    };
    assert!(
        gateway.metrics().await.lines().any(|line| {
            line.strip_prefix("gateway_connections ").is_some_and(|open| open.parse::<u32>().unwrap() >= 500)
        }),
        "they are all still there"
    );
    // Generous, for a machine that does other things: a gateway that waits for one of them is slower by far.
    assert!(after < before * 10 + Duration::from_millis(20), "{after:?} beside them, {before:?} alone");
}

#[tokio::test]
async fn heads_that_are_too_large_or_too_many_are_refused_early() {
    let world = World::new().await;
    let many: String = (0..10_000).map(|number| format!("X-{number}: 1\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "x".repeat(1 << 20));
    let cookie = format!("Cookie: {}\r\n", "a=1; ".repeat(20_000));
    for head in [many, large, cookie, "a".repeat(1 << 20)] {
        world.refuses_bytes(&format!("GET {{path}} HTTP/1.1\r\n{{head}}{head}\r\n"), 431, "").await;
    }
    let few: String = (0..101).map(|number| format!("X-{number}: 1\r\n")).collect();
    world.refuses_bytes(&format!("GET {{path}} HTTP/1.1\r\n{{head}}{few}\r\n"), 431, "").await;
    for target in ["a".repeat(1 << 20), "/".repeat(1 << 20), "%25".repeat(1 << 18)] {
        for door in world.doors() {
            let outcome = world.send(&door, &format!("GET {{path}}/{target} HTTP/1.1\r\n{{head}}\r\n")).await;
            assert!(matches!(outcome.replies[0].status, 414 | 431), "{}", outcome.replies[0].status);
            assert!(outcome.arrived.is_empty() && !outcome.kept);
        }
    }
}

/// Work that grows with the square of a request would show here.
#[tokio::test]
async fn the_worst_that_fits_into_a_head_is_little_work() {
    let world = World::new().await;
    let near = 30 << 10;
    for ask in [
        Ask::new("GET", &format!("{{path}}{}", "/a".repeat(near / 2)), &[]),
        Ask::new("GET", &format!("{{path}}/{}", "%25".repeat(near / 3)), &[]),
        Ask::new("GET", &format!("{{path}}/{}", ";a".repeat(near / 2)), &[]),
        Ask::new("GET", &format!("{{path}}?{}", "a=%20&".repeat(near / 6)), &[]),
        Ask::get(&[("Cookie", &"a=1;".repeat(near / 4))]),
    ] {
        world.passes(&ask).await;
    }
    let named = vec!["X-Hop"; 128].join(",");
    for _ in 0..20 {
        world.passes(&Ask::get(&[("Connection", &named)])).await;
    }
}

#[tokio::test]
async fn slow_bodies_and_heads_end() {
    let world = World::with("head = \"1s\"\nidle = \"1s\"").await;
    for door in world.doors() {
        for begins in ["G", "GET {path} HTTP/1.1\r\nHost: l", ""] {
            let mut client = world.gateway.client().await;
            client.send(begins.replace("{path}", door.path)).await;
            let ended = tokio::time::timeout(Duration::from_secs(20), client.is_closed()).await;
            assert!(ended.is_ok(), "{begins:?}");
        }
    }
    assert!(world.recorder.take().is_empty());
}
