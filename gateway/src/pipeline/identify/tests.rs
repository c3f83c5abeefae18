use http::Request;
use http::header::COOKIE;
use identity::{Caller as Verified, Refusal, User, Verifier};
use proptest::prelude::*;
use secret::Secret;

use super::*;
use crate::pipeline::principal::tests::{client as a_client, user};

const NOW: i64 = 1_790_000_000;

fn root() -> RootKey {
    RootKey::new(Secret::new((1..=32).collect()))
}

fn from(address: [u8; 4], https: bool) -> Client {
    Client { address: address.into(), https, behind_proxy: false }
}

/// A request of a client with these headers, as the upstream `name` gets it.
fn forwarded(name: &str, principal: &Principal, forward: bool, sent: &[(&[u8], &[u8])]) -> Parts {
    let request =
        Request::builder().method("POST").uri("/api/orders?a=b%20c").header(HOST, "app.example.com:8080");
    let request = sent.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut parts = request.body(()).unwrap().into_parts().0;
    let client = from([192, 0, 2, 7], true);
    let request_id = HeaderValue::from_static("r-1");
    let caller = Caller { principal, client: &client, request_id: &request_id };
    Identity::new(name, &root(), name == "auth").identify(&mut parts, forward, &caller, NOW);
    parts
}

fn verify(name: &str, parts: &Parts) -> Result<Verified, Refusal> {
    Verifier::new(name, vec![root().upstream(name)]).verify(&parts.method, &parts.uri, &parts.headers, NOW)
}

fn names(parts: &Parts) -> Vec<&str> {
    let mut names: Vec<_> = parts.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

const INJECTED: [&str; 10] = [
    "signature",
    "signature-input",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x-session-id",
    "x-user-email",
    "x-user-id",
    "x-user-role",
];

#[test]
fn the_upstream_reads_who_is_calling() {
    let parts = forwarded("orders", &user("änn@example.com", "USER"), false, &[]);
    let caller = verify("orders", &parts).unwrap();
    let expected = User {
        id: "u-1".into(),
        email: "änn@example.com".into(),
        role: "USER".into(),
        session_id: "s-1".into(),
    };
    assert_eq!(caller.user, Some(expected));
    assert_eq!(caller.request_id, "r-1");
    assert_eq!(caller.client_address, Some([192, 0, 2, 7].into()));
    assert_eq!((caller.proto.as_str(), caller.host.as_str()), ("https", "app.example.com:8080"));
}

#[test]
fn an_anonymous_caller_has_every_header_and_says_nothing() {
    let parts = forwarded("orders", &Principal::anonymous(), false, &[]);
    assert_eq!(names(&parts), INJECTED);
    assert_eq!(verify("orders", &parts).unwrap().user, None);
}

#[test]
fn one_upstreams_signature_is_worth_nothing_at_another() {
    let parts = forwarded("orders", &a_client("reports"), false, &[]);
    assert!(verify("auth", &parts).is_err());
}

#[test]
fn what_a_client_says_about_itself_does_not_pass() {
    let forged: Vec<(&[u8], &[u8])> = [
        "X-User-Id",
        "x-user-role",
        "X_User_Role",
        "x.user.email",
        "X-User-Anything",
        "X-Session-Id",
        "x_session_id",
        "X-Request-Id",
        "Signature",
        "Signature-Input",
        "signature_input",
        "Forwarded",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Prefix",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "content_type",
        "x!y",
        "a.b",
        "x~",
        "Connection",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "TE",
        "Trailer",
        "Upgrade",
        "HTTP2-Settings",
        "Expect",
        "Transfer-Encoding",
        "Content-Length",
        "Authorization",
    ]
    .iter()
    .map(|name| (name.as_bytes(), b"ADMIN".as_slice()))
    .collect();
    let parts = forwarded("orders", &Principal::anonymous(), false, &forged);
    assert_eq!(names(&parts), INJECTED);
    assert_eq!(verify("orders", &parts).unwrap().user, None);
}

#[test]
fn everything_else_passes_with_all_its_lines() {
    let sent: [(&[u8], &[u8]); 5] = [
        (b"Accept", b"a"),
        (b"X-Custom", b"1"),
        (b"x-custom", b"2"),
        (b"User-Agent", b"t\xc3\xa4st"),
        (b"Idempotency-Key", b"k"),
    ];
    let parts = forwarded("orders", &Principal::anonymous(), false, &sent);
    let custom: Vec<_> = parts.headers.get_all("x-custom").iter().collect();
    assert_eq!(custom, ["1", "2"]);
    assert_eq!(parts.headers["user-agent"].as_bytes(), b"t\xc3\xa4st");
    assert_eq!(parts.headers.len(), INJECTED.len() + 5);
}

#[test]
fn a_token_goes_on_only_where_the_route_says_so() {
    let sent: [(&[u8], &[u8]); 1] = [(b"Authorization", b"Bearer a")];
    assert!(!forwarded("orders", &Principal::anonymous(), false, &sent).headers.contains_key(AUTHORIZATION));
    assert!(forwarded("orders", &Principal::anonymous(), true, &sent).headers.contains_key(AUTHORIZATION));
}

#[test]
fn the_refresh_cookie_goes_to_the_auth_service_only() {
    let sent: [(&[u8], &[u8]); 2] =
        [(b"Cookie", b"a=1; refresh_token=x"), (b"Cookie", b"__Host-refresh_token=y")];
    let lines = |name| {
        let parts = forwarded(name, &Principal::anonymous(), false, &sent);
        parts.headers.get_all(COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lines("orders"), ["a=1"]);
    assert_eq!(lines("auth"), ["a=1; refresh_token=x", "__Host-refresh_token=y"]);
}

#[test]
fn an_answer_sets_a_refresh_cookie_only_from_the_auth_service() {
    let answer = || {
        let lines = ["theme=dark", "__Host-refresh_token=x; Path=/", "refresh_token=; Max-Age=0", "lang=de"];
        let mut answer: HeaderMap = [
            (CONNECTION, HeaderValue::from_static("close, x-hop")),
            (HeaderName::from_static("x-hop"), HeaderValue::from_static("1")),
            (HeaderName::from_static("keep-alive"), HeaderValue::from_static("timeout=5")),
            (http::header::TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
        ]
        .into_iter()
        .collect();
        for line in lines {
            answer.append(SET_COOKIE, HeaderValue::from_static(line));
        }
        answer
    };
    let cleaned = |name: &str| {
        let mut answer = answer();
        Identity::new(name, &root(), name == "auth").clean_answer(&mut answer);
        assert_eq!(answer.keys().collect::<Vec<_>>(), [SET_COOKIE]);
        answer.get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(cleaned("orders"), ["theme=dark", "lang=de"]);
    assert_eq!(cleaned("auth").len(), 4);
}

proptest! {
    /// Whatever headers a client thinks of, the upstream's verifier accepts the request and sees what the gateway
    /// said.
    #[test]
    fn no_header_of_a_client_changes_who_is_calling(
        families in prop::collection::vec("[xX][-_.](user|USER|session|request|forwarded)[-_.]?[a-z]{0,4}", 0..6),
        others in prop::collection::vec("[a-z_.~-]{1,12}|signature(-input)?", 0..6),
        value in "[ -~]{0,12}",
    ) {
        let names = families.iter().chain(&others);
        let sent: Vec<(&[u8], &[u8])> = names.map(|name| (name.as_bytes(), value.as_bytes())).collect();
        let parts = forwarded("orders", &Principal::anonymous(), false, &sent);
        let caller = verify("orders", &parts);
        prop_assert!(caller.as_ref().is_ok_and(|caller| caller.user.is_none()), "{:?}", caller);
    }
}
