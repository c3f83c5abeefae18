//! Rule 1: what a client says about itself does not arrive, in whatever spelling, on any route.

use crate::world::{Ask, World};

const FAMILY: [&str; 24] = [
    "X-User-Id",
    "X-User-Email",
    "X-User-Role",
    "X-User-Anything",
    "X-User-",
    "X-Session-Id",
    "X-Request-Id",
    "Signature",
    "Signature-Input",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-User",
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "X-Original-URL",
    "X-Original-Method",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Method-Override",
];

/// Ways to write a name that some server behind reads as the name itself.
fn spellings(name: &str) -> Vec<String> {
    let swapped =
        |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let mut all = vec![
        name.to_owned(),
        name.to_lowercase(),
        name.to_uppercase(),
        name.chars().map(swapped).collect(),
        name.replace('-', "_"),
        name.replace('-', "."),
        name.to_uppercase().replace('-', "_"),
        name.replacen('-', "_", 1),
        name.replacen('-', ".", 1),
    ];
    all.sort_unstable();
    all.dedup();
    all
}

#[tokio::test]
async fn every_name_in_every_spelling_is_taken_out() {
    let world = World::new().await;
    for spelling in FAMILY.into_iter().flat_map(spellings) {
        let ask = Ask::get(&[(&spelling, "forged"), ("X-Mine", "kept"), (&spelling, "8.8.8.8")]);
        for arrived in world.passes(&ask).await {
            assert_eq!(arrived.values("x-mine"), ["kept"]);
            for word in ["forged", "8.8.8.8"] {
                assert!(!arrived.head.contains(word), "{spelling}: {}", arrived.head);
            }
        }
    }
}

#[tokio::test]
async fn all_of_them_at_once_and_many_times() {
    let world = World::new().await;
    let family: Vec<_> = FAMILY.iter().map(|name| (*name, "forged")).collect();
    let repeated: Vec<_> = (0..90).map(|_| ("X-User-Role", "ADMIN")).collect();
    for headers in [family, repeated] {
        for arrived in world.passes(&Ask::get(&headers)).await {
            assert!(!arrived.head.contains("forged") && !arrived.head.contains("ADMIN"), "{}", arrived.head);
        }
    }
}

/// CGI and its heirs make one letter of all these, and who knows what else does.
#[tokio::test]
async fn names_with_other_characters_are_dropped_whole() {
    let world = World::new().await;
    for mark in ["!", "#", "$", "%", "&", "'", "*", "+", ".", "^", "_", "`", "|", "~"] {
        for name in [
            format!("X{mark}User{mark}Id"),
            format!("X-User-Id{mark}"),
            format!("{mark}X-User-Id"),
            format!("Ordinary{mark}Name"),
        ] {
            for arrived in world.passes(&Ask::get(&[(&name, "forged")])).await {
                assert!(!arrived.head.contains("forged"), "{name}: {}", arrived.head);
            }
        }
    }
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let world = World::new().await;
    for line in [
        "X-User-Id : root",
        "X-User-Id\t: root",
        " X-User-Id: root",
        "X User Id: root",
        "X-User-Id",
        ": root",
        "X-User-Id\0: root",
        "X-User-Id: ro\0ot",
        "X-User-\u{ef}d: root",
        "\"X-User-Id\": root",
        "(X-User-Id): root",
        "X-User-Id\u{b}: root",
    ] {
        world.refuses_bytes(&format!("GET {{path}} HTTP/1.1\r\n{{head}}{line}\r\n\r\n"), 400, "").await;
    }
}

#[tokio::test]
async fn trailers_do_not_pass() {
    let world = World::new().await;
    for trailer in [
        "X-User-Role: ADMIN",
        "x_user_role: ADMIN",
        "X-Mine: 1",
        "Authorization: Bearer x",
        "Content-Length: 3",
    ] {
        let bytes = format!(
            "POST {{path}} HTTP/1.1\r\n{{head}}Trailer: X-User-Role\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n{trailer}\r\n\r\n"
        );
        for arrived in world.passes_bytes(&bytes, true).await {
            assert_eq!(arrived.body, b"hello");
            let names = ["trailer", "te", "x-mine"].map(|name| arrived.headers.contains_key(name));
            assert_eq!(names, [false; 3], "{}", arrived.head);
        }
    }
}

/// No service of ours sends these, and one that thinks it does must not be believed by a browser.
#[tokio::test]
async fn refresh_cookies_do_not_reach_an_upstream_that_is_not_the_auth_service() {
    let world = World::new().await;
    for cookie in [
        "refresh_token=stolen",
        "a=1; refresh_token=stolen; b=2",
        "REFRESH_TOKEN=stolen",
        "__Host-refresh_token=stolen",
        "=refresh_token=stolen",
        "a=1;\trefresh_token = stolen",
    ] {
        for arrived in world.passes(&Ask::get(&[("Cookie", cookie), ("Cookie", "theme=dark")])).await {
            assert!(
                !arrived.head.contains("stolen") && arrived.head.contains("theme=dark"),
                "{}",
                arrived.head
            );
        }
    }
}
