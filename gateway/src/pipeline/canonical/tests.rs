use http::header::HeaderName;
use http::{HeaderValue, Request};
use proptest::prelude::*;

use super::*;

fn check_path(text: &str, expected: Result<(), NotCanonical>) {
    assert_eq!(path(text).map(|_| ()), expected, "{text}");
}

#[test]
fn ordinary_paths_pass_as_they_are() {
    for text in [
        "/",
        "/api/orders",
        "/api/orders/",
        "/.well-known/jwks.json",
        "/a%20b/100%25/%C3%A4",
        "/a/%25/b",
        "/100%2525",
        "/a;b=c/d,e!$&'()*+=:@~_-",
        "/...",
        "/..a/.b/c..",
        "/a.;b",
        "/%3b%40%3A",
    ] {
        check_path(text, Ok(()));
    }
}

#[test]
fn dot_segments_however_encoded() {
    for text in [
        "/.",
        "/..",
        "/a/../b",
        "/a/./b",
        "/a/..",
        "/%2e",
        "/%2E%2e/a",
        "/.%2e",
        "/a/%2e./b",
        "/..;x=1/a",
        "/.;/a",
        "/%2e%2e;x/a",
        "/..%3bx",
        "/%252e%252e/a",
        "/.%252e",
        "/%25252e.",
        "/..%253b",
    ] {
        check_path(text, Err(NotCanonical::DotSegment));
    }
}

#[test]
fn encoded_separators_also_doubly() {
    for text in [
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a%5Cb",
        "/a%00",
        "/a%252fb",
        "/a%255cb",
        "/a%2500",
        "/a%25252Fb",
        "/%2f",
        "/api%2f..%2fadmin",
        "/a%25%2fb",
    ] {
        check_path(text, Err(NotCanonical::EncodedSeparator));
    }
}

#[test]
fn what_else_can_be_read_in_two_ways() {
    check_path("//", Err(NotCanonical::EmptySegment));
    check_path("/a//b", Err(NotCanonical::EmptySegment));
    check_path("/a//", Err(NotCanonical::EmptySegment));
    check_path("/%61dmin", Err(NotCanonical::NeedlessEscape));
    check_path("/a%2eb", Err(NotCanonical::NeedlessEscape));
    check_path("/%7euser", Err(NotCanonical::NeedlessEscape));
    check_path("/%", Err(NotCanonical::BrokenEscape));
    check_path("/%zz", Err(NotCanonical::BrokenEscape));
    check_path("/a%2", Err(NotCanonical::BrokenEscape));
    check_path("/%+1", Err(NotCanonical::BrokenEscape));
    check_path("/%2%66", Err(NotCanonical::BrokenEscape));
    check_path("/%ff", Err(NotCanonical::NotUtf8));
    check_path("/%c0%af", Err(NotCanonical::NotUtf8));
    check_path("/%ed%a0%80", Err(NotCanonical::NotUtf8));
    check_path("/%25252525252525", Err(NotCanonical::NestedEscapes));
    check_path("", Err(NotCanonical::Form));
    check_path("*", Err(NotCanonical::Form));
    check_path("a/b", Err(NotCanonical::Form));
    for raw in [
        "/a\\b", "/a b", "/a\"", "/<", "/a#b", "/a?b", "/[x]", "/{x}", "/a|b", "/a^", "/`", "/ä", "/a\0",
        "/\u{7f}",
    ] {
        check_path(raw, Err(NotCanonical::RawByte));
    }
}

#[test]
fn a_hostile_path_is_no_work() {
    let text = format!("/{}", "%25".repeat(10_000));
    check_path(&text, Ok(()));
    let text = format!("/%{}", "25".repeat(10_000));
    check_path(&text, Err(NotCanonical::NestedEscapes));
}

type Headers<'a> = &'a [(HeaderName, &'a str)];

fn parts(method: &str, uri: &str, headers: Headers<'_>) -> Parts {
    let request = Request::builder().method(method).uri(uri);
    let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
    let request = headers.iter().fold(request, |request, (name, text)| request.header(name, value(text)));
    request.body(()).unwrap().into_parts().0
}

fn check_request(parts: &Parts, expected: Result<&str, NotCanonical>) {
    let hosts = ["app.example.com".to_owned(), "[::1]".to_owned()];
    assert_eq!(request(parts, &hosts).map(|path| path.as_str()), expected, "{parts:?}");
}

const OURS: (HeaderName, &str) = (HOST, "app.example.com");

#[test]
fn only_methods_that_are_routed() {
    for method in METHODS {
        check_request(&parts(method.as_str(), "/a", &[OURS]), Ok("/a"));
    }
    for method in ["TRACE", "PROPFIND", "get", "QUERY"] {
        check_request(&parts(method, "/a", &[OURS]), Err(NotCanonical::Method));
    }
    check_request(&parts("CONNECT", "app.example.com:443", &[OURS]), Err(NotCanonical::Method));
    assert_eq!(METHODS.map(|method| method.to_string()).join(", "), ALLOW);
}

#[test]
fn only_origin_form() {
    check_request(&parts("GET", "/a?b=c", &[OURS]), Ok("/a"));
    for target in ["http://app.example.com/a", "https://app.example.com", "*", "app.example.com"] {
        check_request(&parts("OPTIONS", target, &[OURS]), Err(NotCanonical::Form));
    }
}

#[test]
fn a_query_is_looked_at_for_its_bytes_only() {
    for query in ["", "a=1&b=../..//%2f", "filter[x]=1|2", "q=%FF", "%00", "a?b", "{}^`\\"] {
        check_request(&parts("GET", &format!("/a?{query}"), &[OURS]), Ok("/a"));
    }
    check_request(&parts("GET", "/a?100%", &[OURS]), Err(NotCanonical::BrokenEscape));
    check_request(&parts("GET", "/a?%zz", &[OURS]), Err(NotCanonical::BrokenEscape));
    check_request(&parts("GET", "/a?ä", &[OURS]), Err(NotCanonical::RawQueryByte));
}

#[test]
fn exactly_one_host_and_one_of_ours() {
    for host in [
        "app.example.com",
        "APP.example.COM",
        "app.example.com.",
        "app.example.com:8080",
        "[::1]:80",
        "[::1]",
    ] {
        check_request(&parts("GET", "/", &[(HOST, host)]), Ok("/"));
    }
    for host in
        ["evil.example", "app.example.com.evil.example", "example.com", "app.example.com..", "[::2]", "::1"]
    {
        let refusal = if host == "::1" { NotCanonical::Host } else { NotCanonical::UnknownHost };
        check_request(&parts("GET", "/", &[(HOST, host)]), Err(refusal));
    }
    for host in [
        "",
        ".",
        ":80",
        "app.example.com:",
        "app.example.com:x",
        "app.example.com:123456",
        "u@app.example.com",
        "a/b",
        "a,b",
        "ä",
        "[::1",
        "[::1]x",
        "[x]",
        "a b",
    ] {
        let refusal = if host == "app.example.com:" { Ok("/") } else { Err(NotCanonical::Host) };
        check_request(&parts("GET", "/", &[(HOST, host)]), refusal);
    }
    check_request(&parts("GET", "/", &[]), Err(NotCanonical::Host));
    check_request(&parts("GET", "/", &[OURS, OURS]), Err(NotCanonical::Host));
    let any = parts("GET", "/", &[(HOST, "whatever.example")]);
    assert!(request(&any, &[]).is_ok());
}

#[test]
fn framing_that_two_readers_could_read_differently() {
    let with = |headers: Headers<'_>| parts("POST", "/", &[&[OURS], headers].concat());
    check_request(&with(&[(TRANSFER_ENCODING, "chunked")]), Ok("/"));
    check_request(&with(&[(TRANSFER_ENCODING, "Chunked")]), Ok("/"));
    for coding in ["gzip, chunked", "chunked, chunked", "identity", "", "xchunked", "chunked;q=1"] {
        check_request(&with(&[(TRANSFER_ENCODING, coding)]), Err(NotCanonical::TransferEncoding));
    }
    let twice = [(TRANSFER_ENCODING, "chunked"), (TRANSFER_ENCODING, "chunked")];
    check_request(&with(&twice), Err(NotCanonical::TransferEncoding));
    let mut old = with(&[(TRANSFER_ENCODING, "chunked")]);
    old.version = Version::HTTP_10;
    check_request(&old, Err(NotCanonical::TransferEncoding));

    check_request(&with(&[(EXPECT, "100-Continue")]), Ok("/"));
    check_request(&with(&[(EXPECT, "200-ok")]), Err(NotCanonical::Expectation));
    check_request(&with(&[(EXPECT, "100-continue"), (EXPECT, "x")]), Err(NotCanonical::Expectation));
    let twice = [(AUTHORIZATION, "Bearer a"), (AUTHORIZATION, "Bearer a")];
    check_request(&with(&twice), Err(NotCanonical::Authorizations));
    check_request(&with(&[(UPGRADE, "websocket, H2C")]), Err(NotCanonical::Upgrade));
    check_request(&with(&[(UPGRADE, "websocket")]), Ok("/"));
}

#[test]
fn what_connection_names_is_gone_before_anything_is_read() {
    let mut headers = parts(
        "GET",
        "/",
        &[
            OURS,
            (CONNECTION, "close, X-Hop,accept"),
            (CONNECTION, "Upgrade"),
            (UPGRADE, "websocket"),
            (HeaderName::from_static("accept"), "*/*"),
            (HeaderName::from_static("x-hop"), "1"),
        ],
    )
    .headers;
    assert_eq!(drop_connection_headers(&mut headers), Ok(()));
    let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(left, ["host", "connection", "upgrade"]);
    for named in [
        "X-User-Id",
        "close, x_user.role",
        "X-Forwarded-For",
        "Signature",
        "x-real-ip",
        "Host",
        "transfer-encoding",
        "Content-Length",
        "authorization",
        "close, Cookie",
        "Origin",
        "a b",
        "ä",
        "(x)",
    ] {
        let mut headers = parts("GET", "/", &[(CONNECTION, named)]).headers;
        assert_eq!(drop_connection_headers(&mut headers), Err(NotCanonical::Connection), "{named}");
    }
    let many = |count: usize| vec!["x"; count].join(",");
    let mut headers = parts("GET", "/", &[(CONNECTION, &many(MOST_NAMED + 1))]).headers;
    assert_eq!(drop_connection_headers(&mut headers), Err(NotCanonical::Connection), "too much work");
    for harmless in ["", ",", "keep-alive", "close", "Keep-Alive, x", &many(MOST_NAMED)] {
        let mut headers = parts("GET", "/", &[(CONNECTION, harmless)]).headers;
        assert_eq!(drop_connection_headers(&mut headers), Ok(()), "{harmless}");
    }
}

/// What the most lenient server behind could make of a path: decoded until nothing changes, backslashes turned,
/// parameters cut, dots resolved.
fn most_lenient_reading(path: &str) -> String {
    let mut text = path.to_owned();
    loop {
        let next = percent_encoding_free(&text);
        if next == text {
            break;
        }
        text = next;
    }
    let text = text.replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/').skip(1) {
        match segment.split(';').next().unwrap_or_default() {
            ".." => drop(segments.pop()),
            "." => {}
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

fn percent_encoding_free(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let digits =
            text.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| bytes[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// However a server reads an accepted path, the number of segments, and the plain ones, stay what they were.
    #[test]
    fn an_accepted_path_has_one_shape(
        text in r"(/(%2e|%2E|%25|%2f|%5c|%00|%61|2e|2f|5c|61|\.|;|a|%|%3b|%c3%a4|/){0,5}){1,4}",
    ) {
        if path(&text).is_ok() {
            let read = most_lenient_reading(&text);
            let count = |path: &str| path.split('/').count();
            prop_assert_eq!(count(&read), count(&text), "{}", read);
            for (sent, read) in text.split('/').zip(read.split('/')) {
                prop_assert!(sent.contains('%') || sent == read, "{} {}", sent, read);
            }
        }
    }

    /// A path without escapes that is accepted names the same place however it is read.
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        if let Ok(accepted) = path(&text) {
            prop_assert_eq!(accepted.as_str(), text.as_str());
            prop_assert!(text.starts_with('/') && text.is_ascii() && !text.contains("//"));
        }
    }

    /// No encoding of letters leads past the route table.
    #[test]
    fn encoded_letters_never_pass(before in "/[a-z]{0,5}", letter in "[A-Za-z0-9._~-]", after in "[a-z]{0,5}") {
        let encoded = format!("{before}%{:02x}{after}", letter.as_bytes()[0]);
        prop_assert!(path(&encoded).is_err(), "{}", encoded);
    }
}
