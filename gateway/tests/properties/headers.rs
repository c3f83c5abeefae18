//! For any headers a client sends, the upstream is told exactly who is calling, under a signature that verifies.

use access_token::Claims;
use gateway::pipeline::canonical;
use gateway::pipeline::client::Client;
use gateway::pipeline::identify::{Caller, Identity};
use gateway::pipeline::principal::Principal;
use http::{HeaderValue, Request};
use identity::{RootKey, Verifier, family, names};
use proptest::prelude::*;

use crate::checks::KEY;

const NOW: i64 = 1_790_000_000;

fn principal(user: bool) -> Principal {
    if !user {
        return Principal::anonymous();
    }
    let claims = r#"{"iss":"i","aud":"a","sub":"u-1","client_id":"portcullis","sid":"s-1","epoch":0,"jti":"j","iat":1,"exp":9,"email":"ann@example.com","role":"USER"}"#;
    let deserializer = &mut serde_json::Deserializer::from_str(claims);
    Principal::new(&<Claims as serde::Deserialize>::deserialize(deserializer).unwrap())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[xX][-_.](([uU][sS][eE][rR])|forwarded|session|request|original|real)[-_.]([iI][dD]|role|email|for|proto|host|ip|url|[a-z]{0,3})",
        "[sS]ignature([-_.][iI]nput)?",
        "(Forwarded|Connection|Host|Cookie|Authorization|TE|Trailer|Upgrade|Expect|Accept|Content-Length|True-Client-IP)",
        "[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,12}",
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"root".to_vec()),
        Just(b"gateway=:AAAA:".to_vec()),
        Just(b"close, X-Hop".to_vec()),
        "[ -~]{0,20}".prop_map(String::into_bytes),
        proptest::collection::vec(prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8], 0..20),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3_000) })]

    #[test]
    fn the_upstream_sees_exactly_the_true_identity(
        user in any::<bool>(),
        sent in proptest::collection::vec((name(), value()), 0..12),
    ) {
        let request = Request::builder().method("POST").uri("/api/x?y=1").header("host", "app.example.com");
        let request = sent.iter().fold(request, |request, (name, value)| request.header(name, value.as_slice()));
        let Ok(request) = request.body(()) else { return Ok(()) };
        let mut parts = request.into_parts().0;
        // Refused is fine: then nothing is forwarded.
        if canonical::drop_connection_headers(&mut parts.headers).is_err() {
            return Ok(());
        }
        let principal = principal(user);
        let client = Client { address: [192, 0, 2, 7].into(), https: true, behind_proxy: false };
        let request_id = HeaderValue::from_static("r-1");
        let root = RootKey::new(secret::parse_key(KEY).unwrap());
        let caller = Caller { principal: &principal, client: &client, request_id: &request_id };
        Identity::new("orders", &root, false).identify(&mut parts, false, &caller, NOW);

        let told = Verifier::new("orders", vec![root.upstream("orders")]).verify(&parts.method, &parts.uri, &parts.headers, NOW);
        let told = told.map_err(|refusal| TestCaseError::fail(refusal.to_string()))?;
        prop_assert_eq!(told.user.map(|user| (user.id, user.role)), user.then(|| ("u-1".to_owned(), "USER".to_owned())));
        prop_assert_eq!((told.client_address, told.request_id.as_str()), (Some([192, 0, 2, 7].into()), "r-1"));
        let ours = [&names::USER_ID, &names::USER_EMAIL, &names::USER_ROLE, &names::SESSION_ID, &names::REQUEST_ID,
            &names::SIGNATURE, &names::SIGNATURE_INPUT, &names::FORWARDED_FOR, &names::FORWARDED_PROTO, &names::FORWARDED_HOST];
        for name in parts.headers.keys().filter(|name| family(name.as_str()).is_some()) {
            prop_assert!(ours.contains(&name), "{} is not ours", name);
            prop_assert_eq!(parts.headers.get_all(name).iter().count(), 1, "{}", name);
        }
        for gone in ["authorization", "connection", "te", "trailer", "upgrade", "transfer-encoding", "content-length", "expect"] {
            prop_assert!(!parts.headers.contains_key(gone), "{}", gone);
        }
    }
}
