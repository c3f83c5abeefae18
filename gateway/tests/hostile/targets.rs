//! Rule 3: one canonical path, and a target that can be read in two ways leads nowhere.

use crate::world::{Ask, World};

#[tokio::test]
async fn paths_that_lead_elsewhere_for_some_reader() {
    let world = World::new().await;
    for rest in [
        "/..",
        "/../private",
        "/../public",
        "/./x",
        "/.",
        "/%2e%2e/private",
        "/%2E%2E/private",
        "/.%2e/private",
        "/%2e./private",
        "/..;/private",
        "/..;x=1/private",
        "/.;/x",
        "/%2e%2e;a/private",
        "/..%3b/private",
        "/..%253b/x",
        "/%252e%252e/private",
        "/%25252e%25252e/private",
        "/..%2fprivate",
        "/..%5cprivate",
        "/%2e%2e%2fprivate",
        "/a%2fb",
        "/a%2Fb",
        "/a%5Cb",
        "/a%252fb",
        "/a%255cb",
        "/a%25252fb",
        "/a%00",
        "/a%2500",
        "/a%00.html",
        "//",
        "//private",
        "/a//b",
        "/%61",
        "/%41",
        "/%2d",
        "/%7e",
        "/%30",
        "/%",
        "/%2",
        "/%zz",
        "/%u002f",
        "/%c0%ae%c0%ae/private",
        "/%c0%af",
        "/%e0%80%af",
        "/%ff",
        "/%ed%a0%80",
        "/a\\b",
        "/..\\private",
        "/\\..\\private",
        "/a|b",
        "/a^b",
        "/{x}",
        "/[x]",
        "/<x>",
        "/\"x\"",
        "/`x`",
        "/\u{e4}",
        "/\u{ff0e}\u{ff0e}/private",
        "/\u{2215}private",
        "/%25252525252f",
    ] {
        let code = if is_for_hyper(rest) { "" } else { "bad_request" };
        world.refuses(&Ask::new("GET", &format!("{{path}}{rest}"), &[]), 400, code).await;
    }
}

/// What the parser below does not take for a target at all.
fn is_for_hyper(rest: &str) -> bool {
    rest.contains(['<', '>', '`'])
}

#[tokio::test]
async fn parameters_do_not_hide_a_route() {
    let world = World::new().await;
    for (target, status, code) in [
        ("/x;/private", 404, "not_found"),
        ("/;/private", 404, "not_found"),
        ("/private;a=b", 404, "not_found"),
        ("/private%3ba=b", 404, "not_found"),
        ("/private%253ba=b", 404, "not_found"),
        ("/public;a=b/x", 404, "not_found"),
        ("/admin;", 404, "not_found"),
    ] {
        world.refuses(&Ask::new("GET", target, &[]), status, code).await;
    }
    for arrived in world.passes(&Ask::new("GET", "{path}/a;b=c", &[])).await {
        assert!(arrived.target.ends_with("/a;b=c"));
    }
}

#[tokio::test]
async fn other_forms_of_a_target() {
    let world = World::new().await;
    for (method, target, status, code) in [
        ("GET", "http://localhost{path}", 400, "bad_request"),
        ("GET", "HTTP://localhost{path}", 400, "bad_request"),
        ("GET", "http://localhost:80{path}", 400, "bad_request"),
        ("GET", "http://other.example{path}", 400, "bad_request"),
        ("GET", "https://u:p@localhost{path}", 400, "bad_request"),
        ("GET", "file:///etc/passwd", 400, ""),
        ("GET", "http://localhost", 400, "bad_request"),
        ("GET", "*", 400, "bad_request"),
        ("OPTIONS", "*", 400, "bad_request"),
        ("GET", "localhost", 400, "bad_request"),
        ("GET", "localhost:80", 400, "bad_request"),
        ("GET", "public", 400, "bad_request"),
        ("GET", "?x", 400, ""),
        ("GET", "#x", 400, ""),
        ("GET", "{path}?a=%zz", 400, "bad_request"),
        ("GET", "{path}?a=%", 400, "bad_request"),
        ("GET", "{path}?\u{e4}", 400, "bad_request"),
    ] {
        world.refuses(&Ask::new(method, target, &[]), status, code).await;
    }
}

#[tokio::test]
async fn methods_that_nobody_routes() {
    let world = World::new().await;
    for method in [
        "TRACE", "TRACK", "BREW", "get", "Get", "PROPFIND", "PURGE", "LINK", "DEBUG", "PRI", "SEARCH", "GET.",
    ] {
        world.refuses(&Ask::new(method, "{path}", &[]), 405, "method_not_allowed").await;
    }
    world.refuses(&Ask::new("CONNECT", "localhost:80", &[]), 405, "method_not_allowed").await;
    for method in ["G ET", "GET\t", "G\0ET", "", "GE{T", "\u{c4}"] {
        world.refuses(&Ask::new(method, "{path}", &[]), 400, "").await;
    }
}

#[tokio::test]
async fn a_method_is_what_the_request_line_says() {
    let world = World::new().await;
    for header in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "X_HTTP_METHOD_OVERRIDE"] {
        for arrived in world.passes(&Ask::get(&[(header, "DELETE")])).await {
            assert_eq!(arrived.method, "GET");
            assert!(header == "X-HTTP-Method" || !arrived.head.contains("DELETE"), "{}", arrived.head);
        }
    }
}

#[tokio::test]
async fn what_is_accepted_arrives_as_it_was_sent() {
    let world = World::new().await;
    for rest in [
        "",
        "/",
        "/a/b/",
        "/a%20b",
        "/100%25",
        "/%25",
        "/%C3%A4",
        "/...",
        "/..a",
        "/a..",
        "/a;b=c",
        "/a,b!$&'()*+=:@~_-",
        "?",
        "?a=1&b=2",
        "?a=../../x//y%2f",
        "?%00",
        "?a?b",
        "/a?b=http://x/",
        "?[]{}|^`\\",
    ] {
        let ask = Ask::new("GET", &format!("{{path}}{rest}"), &[]);
        for (arrived, door) in world.passes(&ask).await.iter().zip(world.doors()) {
            assert_eq!(arrived.target, format!("{}{rest}", door.path));
        }
    }
}

/// hyper cuts a fragment off; no upstream may see one.
#[tokio::test]
async fn a_fragment_does_not_arrive() {
    let world = World::new().await;
    for rest in ["#", "#x", "#/../private", "?a=b#c", "/x#?y"] {
        let ask = Ask::new("GET", &format!("{{path}}{rest}"), &[]);
        for arrived in world.passes(&ask).await {
            assert!(!arrived.target.contains('#'), "{}", arrived.target);
        }
    }
}
