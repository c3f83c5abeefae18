//! The handshake's rules, without sockets. The key and its answer are RFC 6455's example.

use http::Request;

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const APP: &str = "https://app.example.com";

type Headers<'a> = &'a [(&'static str, &'a str)];

/// A good request, with some headers changed; an empty value takes one out.
fn request(changes: Headers<'_>) -> Parts {
    let mut builder = Request::builder().uri("/socket");
    let usual = [
        ("host", "api.example.com"),
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
    ];
    for (name, value) in usual.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name)) {
        builder = builder.header(*name, *value);
    }
    for (name, value) in changes.iter().filter(|(_, value)| !value.is_empty()) {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn asked(parts: &mut Parts) -> Result<Option<Handshake>, BadUpgrade> {
    let cors = Cors::new(&crate::config::Cors { origins: vec![APP.into()] });
    let client = Client { address: [192, 0, 2, 1].into(), https: true, behind_proxy: false };
    Handshake::asked(parts, &cors, &client)
}

#[track_caller]
fn refused(changes: Headers<'_>, why: BadUpgrade) {
    assert_eq!(asked(&mut request(changes)).unwrap_err(), why, "{changes:?}");
}

#[track_caller]
fn begun(changes: Headers<'_>) -> (Handshake, Parts) {
    let mut parts = request(changes);
    (asked(&mut parts).unwrap().expect("a handshake"), parts)
}

#[test]
fn who_does_not_ask_is_no_websocket() {
    for changes in [[("connection", "keep-alive")], [("upgrade", "")], [("upgrade", "irc/6.9")]] {
        assert!(asked(&mut request(&changes)).unwrap().is_none(), "{changes:?}");
    }
    let mut old = request(&[]);
    old.version = Version::HTTP_10;
    assert!(asked(&mut old).unwrap().is_none());
}

#[test]
fn what_is_no_handshake_is_refused() {
    refused(&[("sec-websocket-key", "")], BadUpgrade::Key);
    refused(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=")], BadUpgrade::Key);
    refused(&[("sec-websocket-key", KEY), ("sec-websocket-key", KEY)], BadUpgrade::Key);
    refused(&[("sec-websocket-version", "8")], BadUpgrade::Version);
    refused(&[("sec-websocket-version", "13, 8")], BadUpgrade::Version);
    refused(&[("content-length", "5")], BadUpgrade::Request);
    refused(&[("transfer-encoding", "chunked")], BadUpgrade::Request);
    refused(&[("sec-websocket-protocol", "a,,b")], BadUpgrade::Protocols);
    refused(&[("sec-websocket-protocol", "a b")], BadUpgrade::Protocols);
    let mut post = request(&[]);
    post.method = Method::POST;
    assert_eq!(asked(&mut post).unwrap_err(), BadUpgrade::Request);
}

#[test]
fn foreign_pages_open_no_websocket() {
    for home in [APP, "https://api.example.com"] {
        begun(&[("origin", home)]);
    }
    for foreign in ["https://evil.example", "null", "http://api.example.com", "https://api.example.com:8443"]
    {
        refused(&[("origin", foreign)], BadUpgrade::Origin);
    }
    refused(&[("origin", APP), ("origin", APP)], BadUpgrade::Origin);
}

#[test]
fn a_token_among_the_subprotocols_becomes_the_authorization_and_goes_no_further() {
    let (handshake, parts) =
        begun(&[("sec-websocket-protocol", "portcullis, portcullis.bearer.a.b-_.c, chat")]);
    assert_eq!(parts.headers[AUTHORIZATION], "Bearer a.b-_.c");
    let mut sent = HeaderMap::new();
    handshake.write(&mut sent);
    assert_eq!(sent[SEC_WEBSOCKET_PROTOCOL], "portcullis, chat");

    let (handshake, _) = begun(&[("sec-websocket-protocol", "portcullis.bearer.a")]);
    let mut sent = HeaderMap::new();
    handshake.write(&mut sent);
    assert!(!sent.contains_key(SEC_WEBSOCKET_PROTOCOL));

    let two = "portcullis.bearer.a, portcullis.bearer.b";
    refused(&[("sec-websocket-protocol", two)], BadUpgrade::Tokens);
    refused(
        &[("sec-websocket-protocol", "portcullis.bearer.a"), ("authorization", "Bearer a")],
        BadUpgrade::Tokens,
    );
}

#[test]
fn only_an_answer_to_this_handshake_switches() {
    let offer = [
        ("sec-websocket-protocol", "chat, portcullis"),
        ("sec-websocket-extensions", "permessage-deflate; x=1"),
    ];
    let (handshake, _) = begun(&offer);
    let check = |answer: Headers<'_>, expected: bool| {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let mut headers = HeaderMap::new();
        headers.extend(answer.iter().map(pair).map(|(name, value)| (Some(name), value)));
        assert_eq!(handshake.is_accepted_by(&headers), expected, "{answer:?}");
    };
    let (upgrade, accept) = (("upgrade", "websocket"), ("sec-websocket-accept", ACCEPT));
    check(&[upgrade, accept], true);
    check(&[upgrade, accept, ("sec-websocket-protocol", "chat")], true);
    check(&[upgrade, accept, ("sec-websocket-extensions", "Permessage-Deflate")], true);
    check(&[accept], false);
    check(&[("upgrade", "h2c"), accept], false);
    check(&[upgrade], false);
    check(&[upgrade, ("sec-websocket-accept", KEY)], false);
    check(&[upgrade, accept, ("sec-websocket-protocol", "other")], false);
    check(&[upgrade, accept, ("sec-websocket-protocol", "chat, portcullis")], false);
    check(&[upgrade, accept, ("sec-websocket-extensions", "permessage-deflate, foo")], false);
}

#[test]
fn the_client_gets_what_it_offered() {
    let complete = |offer: &str, chosen: Option<&'static str>| {
        let (handshake, _) = begun(&[("sec-websocket-protocol", offer)]);
        let mut answer = HeaderMap::new();
        answer.extend(chosen.map(|chosen| (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(chosen))));
        handshake.complete(&mut answer);
        assert_eq!(
            (&answer[CONNECTION], &answer[UPGRADE]),
            (&"Upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
        answer.get(SEC_WEBSOCKET_PROTOCOL).map(|chosen| chosen.to_str().unwrap().to_owned())
    };
    assert_eq!(complete("portcullis, chat", None).as_deref(), Some("portcullis"));
    assert_eq!(complete("portcullis, chat", Some("chat")).as_deref(), Some("chat"));
    assert_eq!(complete("chat", None), None);
}
