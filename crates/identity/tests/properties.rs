//! Properties of the contract: what was signed is accepted, and no change to anything that is covered survives.
#![expect(clippy::unwrap_used, reason = "tests")]

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};
use identity::{Caller, Message, Refusal, RootKey, Signer, Verifier, decode, encode, names};
use proptest::prelude::*;
use secret::Secret;

const NOW: i64 = 1_796_000_000;

/// A request as it goes over the wire: method, target, covered headers in their order.
#[derive(Debug, Clone)]
struct Wire {
    method: String,
    target: String,
    covered: [String; 8],
}

fn covered_names() -> [&'static HeaderName; 8] {
    [
        &names::REQUEST_ID,
        &names::FORWARDED_FOR,
        &names::FORWARDED_PROTO,
        &names::FORWARDED_HOST,
        &names::USER_ID,
        &names::USER_EMAIL,
        &names::USER_ROLE,
        &names::SESSION_ID,
    ]
}

fn root() -> RootKey {
    RootKey::new(Secret::new((0..32).map(|byte| byte * 7 + 3).collect()))
}

impl Wire {
    fn signed(&self) -> HeaderMap {
        let target: Uri = self.target.parse().unwrap();
        let [
            request_id,
            forwarded_for,
            forwarded_proto,
            forwarded_host,
            user_id,
            user_email,
            user_role,
            session_id,
        ] = self.covered.each_ref().map(String::as_bytes);
        let message = Message {
            method: &self.method,
            path: target.path(),
            query: target.query(),
            request_id,
            forwarded_for,
            forwarded_proto,
            forwarded_host,
            user_id,
            user_email,
            user_role,
            session_id,
        };
        let signature = Signer::new("orders", &root().upstream("orders")).sign(&message, NOW);
        let mut headers = self.headers();
        headers.insert(&names::SIGNATURE, signature.signature);
        headers.insert(&names::SIGNATURE_INPUT, signature.input);
        headers
    }

    fn headers(&self) -> HeaderMap {
        let values = self.covered.iter().map(|value| HeaderValue::from_str(value).unwrap());
        covered_names().into_iter().cloned().zip(values).collect()
    }

    fn verify(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let (method, target): (Method, Uri) = (self.method.parse().unwrap(), self.target.parse().unwrap());
        Verifier::new("orders", vec![root().upstream("orders")]).verify(&method, &target, headers, NOW)
    }
}

fn method() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["GET", "POST", "PATCH", "DELETE", "OPTIONS"]).prop_map(str::to_owned)
}

fn target() -> impl Strategy<Value = String> {
    "(/[a-zA-Z0-9._~-]{1,8}(%[0-9A-F]{2})?){1,4}(\\?[a-z]{1,5}=[a-z0-9&=/?]{0,12})?"
}

prop_compose! {
    fn identity()(who in 0..3, id in "[a-z0-9-]{1,36}", email in "\\PC{0,20}", role in "[A-Z]{1,6}X", session in "[a-z0-9]{1,36}") -> [String; 4] {
        match who {
            0 => [(); 4].map(|()| String::new()),
            1 => [format!("client:{id}"), String::new(), "SERVICE".into(), String::new()],
            _ => [id, encode(&email).into_owned(), role, session],
        }
    }
}

prop_compose! {
    fn wire()(method in method(), target in target(), request_id in "[A-Za-z0-9_-]{1,64}", address in any::<[u8; 4]>(),
              proto in "https?", host in "[a-z]{1,12}\\.example", identity in identity()) -> Wire {
        let [id, email, role, session] = identity;
        let address = std::net::IpAddr::from(address).to_string();
        Wire { method, target, covered: [request_id, address, proto, host, id, email, role, session] }
    }
}

proptest! {
    #[test]
    fn what_was_signed_is_accepted(wire in wire()) {
        let caller = wire.verify(&wire.signed()).unwrap();
        prop_assert!(caller.user.is_none() || caller.client.is_none());
        let client = caller.client.map(|client| format!("client:{}", client.id));
        let user_id = caller.user.map(|user| user.id).or(client).unwrap_or_default();
        prop_assert_eq!(&user_id, &wire.covered[4]);
    }

    #[test]
    fn another_value_of_a_covered_header_is_refused(wire in wire(), which in 0usize..8, other in "[!-~]{0,40}") {
        prop_assume!(wire.covered[which] != other);
        let mut headers = wire.signed();
        headers.insert(covered_names()[which], other.parse().unwrap());
        prop_assert!(wire.verify(&headers).is_err());
    }

    #[test]
    fn one_changed_byte_of_a_covered_header_is_refused(wire in wire(), which in 0usize..8, at in any::<prop::sample::Index>(), byte in 0x21u8..=0x7E) {
        let mut changed = wire.covered[which].clone().into_bytes();
        prop_assume!(!changed.is_empty());
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let mut headers = wire.signed();
        headers.insert(covered_names()[which], HeaderValue::from_bytes(&changed).unwrap());
        prop_assert_eq!(wire.verify(&headers), Err(Refusal::WrongSignature));
    }

    #[test]
    fn another_method_or_target_is_refused(wire in wire(), method in method(), target in target()) {
        let headers = wire.signed();
        let other_method = Wire { method: method.clone(), ..wire.clone() };
        let other_target = Wire { target: target.clone(), ..wire.clone() };
        prop_assert_eq!(other_method.verify(&headers).is_ok(), method == wire.method);
        prop_assert_eq!(other_target.verify(&headers).is_ok(), target == wire.target);
    }

    #[test]
    fn one_changed_byte_of_the_signature_fields_is_refused(wire in wire(), input in any::<bool>(), at in any::<prop::sample::Index>(), byte in 0x20u8..=0x7E) {
        let mut headers = wire.signed();
        let name = if input { &names::SIGNATURE_INPUT } else { &names::SIGNATURE };
        let mut changed = headers[name].as_bytes().to_vec();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        headers.insert(name, HeaderValue::from_bytes(&changed).unwrap());
        prop_assert!(wire.verify(&headers).is_err());
    }

    #[test]
    fn any_added_header_of_the_identity_family_is_refused(wire in wire(), name in added_name(), value in "[A-Z]{0,6}") {
        let mut headers = wire.signed();
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        prop_assert!(wire.verify(&headers).is_err());
    }

    #[test]
    fn a_removed_header_of_the_contract_is_refused(wire in wire(), which in 0usize..10) {
        let mut headers = wire.signed();
        let names = [&covered_names()[..], &[&names::SIGNATURE, &names::SIGNATURE_INPUT]].concat();
        headers.remove(names[which]);
        prop_assert!(matches!(wire.verify(&headers), Err(Refusal::Missing(_))));
    }

    #[test]
    fn signature_fields_of_any_shape_are_read_without_panic(wire in wire(), input in "[ -~]{0,80}", signature in "[ -~]{0,80}") {
        let mut headers = wire.headers();
        headers.insert(&names::SIGNATURE_INPUT, input.parse().unwrap());
        headers.insert(&names::SIGNATURE, signature.parse().unwrap());
        prop_assert!(wire.verify(&headers).is_err());
    }

    #[test]
    fn text_survives_the_encoding(plain in "\\PC*|[\\x00-\\xff]{0,20}") {
        let encoded = encode(&plain);
        prop_assert!(encoded.bytes().all(|byte| (0x21..=0x7E).contains(&byte)));
        prop_assert_eq!(decode(&encoded).unwrap(), plain.as_str());
    }

    #[test]
    fn decoding_any_text_does_not_panic(text in "\\PC*|[%0-9a-f]{0,12}") {
        let _ = decode(&text);
    }
}

/// A name of the family in any spelling, ours included: appended, that one is there twice.
fn added_name() -> impl Strategy<Value = String> {
    let stem = prop::sample::select(vec![
        "x-user-id",
        "x-user-role",
        "x-user-email",
        "x-user-anything",
        "x-session-id",
        "x-request-id",
    ]);
    (stem, prop::collection::vec(0usize..3, 4)).prop_map(|(stem, marks)| {
        let mut marks = marks.into_iter().cycle();
        stem.chars().map(|c| if c == '-' { ['-', '_', '.'][marks.next().unwrap()] } else { c }).collect()
    })
}
