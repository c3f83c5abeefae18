//! `docs/vectors/identity.json` against this crate. The file is made by a script that shares no code with it.
#![expect(clippy::unwrap_used, reason = "tests")]

use http::Uri;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use identity::{Caller, Family, Message, RootKey, Signer, UpstreamKey, Verifier, decode, encode, family};
use secret::{Secret, parse_key};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "about")]
    _about: String,
    keys: Vec<Derivation>,
    families: Families,
    encodings: Vec<Encoding>,
    encodings_refused: Vec<String>,
    signatures: Vec<Signed>,
    verifier_keys: Vec<String>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Derivation {
    root: String,
    root_hex: String,
    upstream: String,
    key: String,
}

#[derive(Deserialize)]
struct Families {
    identity: Vec<String>,
    forwarded: Vec<String>,
    none: Vec<String>,
}

#[derive(Deserialize)]
struct Encoding {
    plain: String,
    encoded: String,
}

type Fields = Vec<(String, String)>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    name: String,
    upstream: String,
    key: String,
    created: i64,
    method: String,
    target: String,
    headers: Fields,
    signature_input: String,
    signature: String,
}

#[derive(Deserialize)]
struct Request {
    name: String,
    now: i64,
    method: String,
    target: String,
    headers: Fields,
    accept: Option<Accepted>,
    refuse: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    user: Option<AcceptedUser>,
    request_id: String,
    client_address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedUser {
    id: String,
    email: String,
    role: String,
    session_id: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../docs/vectors/identity.json")).unwrap()
}

fn upstream_key(base64: &str) -> UpstreamKey {
    UpstreamKey::new(parse_key(base64).unwrap())
}

fn value<'a>(fields: &'a Fields, name: &str) -> &'a [u8] {
    fields.iter().find(|(field, _)| field == name).unwrap().1.as_bytes()
}

#[test]
fn each_upstream_has_the_key_that_its_name_gives() {
    for vector in vectors().keys {
        for root in [&vector.root, &vector.root_hex] {
            let key = RootKey::new(parse_key(root).unwrap()).upstream(&vector.upstream);
            assert_eq!(key.to_base64(), vector.key, "{} from {root}", vector.upstream);
        }
    }
}

#[test]
fn header_names_are_sorted_into_families() {
    let families = vectors().families;
    let sorted = [
        (families.identity, Some(Family::Identity)),
        (families.forwarded, Some(Family::Forwarded)),
        (families.none, None),
    ];
    for (names, expected) in sorted {
        for name in names {
            assert_eq!(family(&name), expected, "{name}");
        }
    }
}

#[test]
fn values_are_encoded_and_decoded() {
    let vectors = vectors();
    for Encoding { plain, encoded } in vectors.encodings {
        assert_eq!(encode(&plain), encoded);
        assert_eq!(decode(&encoded).unwrap(), plain);
    }
    for refused in vectors.encodings_refused {
        assert!(decode(&refused).is_err(), "{refused}");
    }
}

#[test]
fn a_request_is_signed_byte_for_byte() {
    for vector in vectors().signatures {
        let target: Uri = vector.target.parse().unwrap();
        let field = |name| value(&vector.headers, name);
        let message = Message {
            method: &vector.method,
            path: target.path(),
            query: target.query(),
            request_id: field("x-request-id"),
            forwarded_for: field("x-forwarded-for"),
            forwarded_proto: field("x-forwarded-proto"),
            forwarded_host: field("x-forwarded-host"),
            user_id: field("x-user-id"),
            user_email: field("x-user-email"),
            user_role: field("x-user-role"),
            session_id: field("x-session-id"),
        };
        let made = Signer::new(&vector.upstream, &upstream_key(&vector.key)).sign(&message, vector.created);
        assert_eq!(made.input, vector.signature_input, "{}", vector.name);
        assert_eq!(made.signature, vector.signature, "{}", vector.name);
    }
}

#[test]
fn requests_are_accepted_and_refused() {
    let vectors = vectors();
    let keys = vectors.verifier_keys.iter().map(|key| upstream_key(key)).collect();
    let verifier = Verifier::new("orders", keys);
    for request in vectors.requests {
        let verdict = verifier.verify(
            &request.method.parse().unwrap(),
            &request.target.parse().unwrap(),
            &header_map(&request.headers),
            request.now,
        );
        match (verdict, request.accept, request.refuse) {
            (Ok(caller), Some(expected), None) => assert_same(&request.name, caller, expected),
            (Err(refusal), None, Some(code)) => assert_eq!(refusal.code(), code, "{}", request.name),
            (verdict, _, refuse) => panic!("{}: {verdict:?} where {refuse:?} was to come", request.name),
        }
    }
}

#[test]
fn a_verifier_without_keys_accepts_nothing() {
    let vectors = vectors();
    let signed = vectors.requests.iter().find(|request| request.accept.is_some()).unwrap();
    let verdict = Verifier::new("orders", Vec::new()).verify(
        &signed.method.parse().unwrap(),
        &signed.target.parse().unwrap(),
        &header_map(&signed.headers),
        signed.now,
    );
    assert_eq!(verdict.unwrap_err().code(), "wrong_signature");
}

#[test]
fn an_upstream_name_that_no_header_can_carry_signs_nothing() {
    let vector = vectors().signatures.remove(0);
    let message = Message {
        method: "GET",
        path: "/",
        query: None,
        request_id: b"",
        forwarded_for: b"",
        forwarded_proto: b"",
        forwarded_host: b"",
        user_id: b"",
        user_email: b"",
        user_role: b"",
        session_id: b"",
    };
    let key = UpstreamKey::new(Secret::new(vector.key.into_bytes()));
    assert_eq!(Signer::new("orders\n", &key).sign(&message, 1).input, "");
}

fn header_map(fields: &Fields) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap());
    }
    headers
}

fn assert_same(name: &str, caller: Caller, expected: Accepted) {
    let client = expected.user.as_ref().and_then(|user| user.id.strip_prefix("client:"));
    let client = client.map(|id| identity::Client { id: id.to_owned() });
    let user = expected.user.filter(|_| client.is_none()).map(|user| identity::User {
        id: user.id,
        email: user.email,
        role: user.role,
        session_id: user.session_id,
    });
    assert_eq!((caller.user, caller.client), (user, client), "{name}");
    assert_eq!(caller.request_id, expected.request_id, "{name}");
    assert_eq!(caller.client_address.map(|address| address.to_string()), expected.client_address, "{name}");
}
