//! Rule 2: what `Connection` names goes first, and what decides anything cannot be named.

use crate::world::{Ask, World};

#[tokio::test]
async fn what_decides_cannot_be_made_to_disappear() {
    let world = World::new().await;
    for name in [
        "X-User-Id",
        "x_user_id",
        "X.User.Role",
        "X-Session-Id",
        "X-Request-Id",
        "Signature",
        "signature-input",
        "X-Forwarded-For",
        "x_forwarded_proto",
        "X-Forwarded-Host",
        "Forwarded",
        "X-Real-IP",
        "Host",
        "HOST",
        "Content-Length",
        "Transfer-Encoding",
        "Authorization",
        "authorization",
        "Cookie",
        "Origin",
    ] {
        for value in [
            name.to_owned(),
            format!("close, {name}"),
            format!("{name},close"),
            format!(",,{name},"),
            format!("Upgrade,\t{name} "),
        ] {
            world.refuses(&Ask::get(&[("Connection", &value)]), 400, "bad_request").await;
        }
        world
            .refuses(&Ask::get(&[("Connection", "keep-alive"), ("connection", name)]), 400, "bad_request")
            .await;
    }
}

#[tokio::test]
async fn what_cannot_be_read_or_is_too_much_is_refused() {
    let world = World::new().await;
    let many = vec!["X-Hop"; 129].join(",");
    for value in
        ["X Hop", "X-Hop: 1", "\"X-Hop\"", "(close)", "\u{e9}", "a;b", "X-Hop, \u{7f}", many.as_str()]
    {
        // A DEL is no header at all, for hyper.
        let code = if value.contains('\u{7f}') { "" } else { "bad_request" };
        world.refuses(&Ask::get(&[("Connection", value)]), 400, code).await;
    }
}

#[tokio::test]
async fn what_may_be_named_is_gone() {
    let world = World::new().await;
    for (value, named) in [
        ("X-Hop", "X-Hop"),
        ("x-hop , keep-alive", "X-HOP"),
        ("keep-alive,X-Hop,X-Hop", "X-Hop"),
        (",X-Hop", "X-Hop"),
        ("Accept", "Accept"),
        ("Expect", "Expect"),
        ("TE", "TE"),
    ] {
        let ask = Ask::get(&[
            (named, "100-continue"),
            ("Connection", value),
            (named, "100-continue"),
            ("X-Kept", "1"),
        ]);
        for arrived in world.passes(&ask).await {
            assert!(!arrived.headers.contains_key(named) && !arrived.headers.contains_key("connection"));
            assert_eq!(arrived.values("x-kept"), ["1"]);
        }
    }
}

#[tokio::test]
async fn headers_for_one_hop_stay_there_without_being_named() {
    let world = World::new().await;
    let hop = [
        ("Keep-Alive", "timeout=999"),
        ("Proxy-Connection", "close, X-User-Id"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Authenticate", "Basic"),
        ("TE", "trailers, deflate"),
        ("Trailer", "X-User-Id"),
        ("Upgrade", "websocket"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
    ];
    for arrived in world.passes(&Ask::get(&hop)).await {
        for (name, _) in hop {
            assert!(!arrived.headers.contains_key(name), "{name}: {}", arrived.head);
        }
    }
}

#[tokio::test]
async fn close_means_close() {
    let world = World::new().await;
    for value in ["close", "Close", "keep-alive, close", "X-Hop,close"] {
        let bytes = format!("GET {{path}} HTTP/1.1\r\n{{head}}Connection: {value}\r\n\r\n");
        world.passes_bytes(&bytes, false).await;
    }
}
