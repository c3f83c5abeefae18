//! What is an access token, and everything that is not.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod issuer;

use access_token::{Audience, Claims, KeySet, Refusal, Verification};
use issuer::{Issuer, NOW, client, encode, jwks, user, with};
use proptest::prelude::*;
use serde_json::{Value, json};

fn verification() -> Verification {
    Verification { issuer: "https://auth.example".into(), audience: "portcullis".into() }
}

fn verify(issuer: &Issuer, token: &str, now: i64) -> Result<Claims, Refusal> {
    verification().verify(token, &KeySet::parse(&issuer.jwks()).unwrap(), now)
}

fn check(issuer: &Issuer, token: &str, expected: Result<(), Refusal>) {
    assert_eq!(verify(issuer, token, NOW).map(|_| ()), expected, "{token}");
}

#[test]
fn each_algorithm_is_verified() {
    for issuer in [Issuer::es256(), Issuer::eddsa(), Issuer::rs256()] {
        let claims = verify(&issuer, &issuer.sign(&user()), NOW).unwrap();
        assert_eq!((claims.sub.as_str(), claims.sid.as_deref(), claims.epoch), ("u-1", Some("s-1"), 3));
        assert_eq!(
            (claims.email.as_deref(), claims.role.as_deref()),
            (Some("ann@example.com"), Some("USER"))
        );
        assert_eq!((claims.auth_time, claims.amr), (Some(NOW - 60), vec!["pwd".to_owned()]));
        let other = match issuer {
            Issuer::Es256(_) => Issuer::es256(),
            Issuer::EdDsa(_) => Issuer::eddsa(),
            Issuer::Rs256(_) => Issuer::rs256(),
        };
        check(&issuer, &other.sign(&user()), Err(Refusal::WrongSignature));
    }
}

#[test]
fn a_clients_token_has_neither_session_nor_role() {
    let issuer = Issuer::eddsa();
    let claims = verify(&issuer, &issuer.sign(&client()), NOW).unwrap();
    assert!(claims.is_client());
    assert_eq!(claims.scope.as_deref(), Some("orders:read"));
    assert_eq!(claims.aud, Audience::Many(vec!["other".into(), "portcullis".into()]));
    for (name, value) in [("role", json!("ADMIN")), ("sub", json!("u-1")), ("client_id", json!("other"))] {
        check(&issuer, &issuer.sign(&with(client(), name, value)), Err(Refusal::MalformedClaims));
    }
}

#[test]
fn times_are_judged_by_the_second() {
    let issuer = Issuer::eddsa();
    let check = |name: &str, value: i64, expected: Result<(), Refusal>| {
        check(&issuer, &issuer.sign(&with(user(), name, json!(value))), expected);
    };
    check("exp", NOW + 1, Ok(()));
    check("exp", NOW, Err(Refusal::Expired));
    check("exp", 0, Err(Refusal::Expired));
    check("exp", -1, Err(Refusal::Expired));
    check("exp", i64::MAX, Ok(()));
    check("iat", NOW + 5, Ok(()));
    check("iat", NOW + 6, Err(Refusal::NotYetValid));
    check("nbf", NOW, Ok(()));
    check("nbf", NOW + 1, Err(Refusal::NotYetValid));
}

#[test]
fn issuer_and_audience_are_compared_whole() {
    let issuer = Issuer::eddsa();
    let check = |name: &str, value: Value, expected: Result<(), Refusal>| {
        check(&issuer, &issuer.sign(&with(user(), name, value)), expected);
    };
    check("iss", json!("https://auth.example/"), Err(Refusal::WrongIssuer));
    check("iss", json!(""), Err(Refusal::WrongIssuer));
    check("aud", json!(["portcullis"]), Ok(()));
    check("aud", json!("portcullis2"), Err(Refusal::WrongAudience));
    check("aud", json!(["other"]), Err(Refusal::WrongAudience));
    check("aud", json!([]), Err(Refusal::WrongAudience));
}

#[test]
fn required_claims_are_there_and_of_their_type() {
    let issuer = Issuer::eddsa();
    let check = |name: &str, value: Value| {
        check(&issuer, &issuer.sign(&with(user(), name, value)), Err(Refusal::MalformedClaims));
    };
    for name in ["iss", "aud", "sub", "client_id", "sid", "epoch", "jti", "iat", "exp"] {
        check(name, Value::Null);
        check(name, json!({}));
        check(name, json!(true));
    }
    for name in ["exp", "iat", "nbf", "auth_time", "epoch"] {
        for value in [json!(1.5), json!(1e3), json!("1790000000"), json!([1]), json!(1e300), json!(u64::MAX)]
        {
            check(name, value);
        }
    }
    for name in ["sub", "client_id", "sid", "jti"] {
        check(name, json!(""));
    }
    check("epoch", json!(-1));
    check("aud", json!(["portcullis", 1]));
    check("amr", json!("pwd"));
    check("role", json!(["USER"]));
}

#[test]
fn a_claim_that_is_null_is_not_absent() {
    let issuer = Issuer::eddsa();
    for name in ["nbf", "sid", "auth_time"] {
        let mut claims = user();
        claims[name] = Value::Null;
        check(&issuer, &issuer.sign(&claims), Err(Refusal::MalformedClaims));
    }
}

#[test]
fn members_named_twice_are_refused() {
    let issuer = Issuer::eddsa();
    let (header, claims) = (issuer.header().to_string(), user().to_string());
    let twice = |json: &str, member: &str| format!("{},{member}}}", json.strip_suffix('}').unwrap());
    for member in
        [r#""sub":"u-2""#, r#""sub":"u-1""#, r#""\u0073ub":"u-2""#, r#""x":{"a":1,"a":2}"#, r#""y":1,"y":1"#]
    {
        check(&issuer, &issuer.sign_texts(&header, &twice(&claims, member)), Err(Refusal::MalformedClaims));
    }
    for member in [r#""alg":"EdDSA""#, r#""kid":"k-1""#, r#""typ":"at+jwt""#, r#""z":1,"z":1"#] {
        check(&issuer, &issuer.sign_texts(&twice(&header, member), &claims), Err(Refusal::Malformed));
    }
    check(&issuer, &issuer.sign_texts(&header, &twice(&claims, r#""unknown":1"#)), Ok(()));
}

#[test]
fn a_header_may_not_choose_its_key_or_its_algorithm() {
    let issuer = Issuer::es256();
    let check_header = |name: &str, value: Value, expected: Result<(), Refusal>| {
        let header = with(issuer.header(), name, value).to_string();
        check(&issuer, &issuer.sign_texts(&header, &user().to_string()), expected);
    };
    for name in ["crit", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"] {
        check_header(name, json!(["exp"]), Err(Refusal::UnsupportedHeader));
        check_header(name, json!([]), Err(Refusal::UnsupportedHeader));
        let mut header = issuer.header();
        header[name] = Value::Null;
        let token = issuer.sign_texts(&header.to_string(), &user().to_string());
        check(&issuer, &token, Err(Refusal::UnsupportedHeader));
    }
    check_header("jwk", issuer.jwk(), Err(Refusal::UnsupportedHeader));
    for alg in ["none", "None", "HS256", "RS256", "EdDSA", "es256", "ES384", ""] {
        check_header("alg", json!(alg), Err(Refusal::WrongAlgorithm));
    }
    for typ in ["JWT", "at+JWT", "application/at+jwt", "", "jwt"] {
        check_header("typ", json!(typ), Err(Refusal::WrongType));
    }
    for name in ["alg", "typ", "kid"] {
        check_header(name, Value::Null, Err(Refusal::Malformed));
        check_header(name, json!(1), Err(Refusal::Malformed));
    }
    check_header("kid", json!("k-2"), Err(Refusal::UnknownKey { kid: "k-2".into() }));
    check_header("cty", json!("x"), Ok(()));
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    let issuer = Issuer::rs256();
    let n = issuer.jwk()["n"].as_str().unwrap().to_owned();
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "k-1"}).to_string();
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(user().to_string().as_bytes()));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, n.as_bytes());
    let tag = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    check(&issuer, &format!("{signed}.{}", encode(tag.as_ref())), Err(Refusal::WrongAlgorithm));
}

#[test]
fn what_is_no_token() {
    let issuer = Issuer::eddsa();
    let token = issuer.sign(&user());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for text in
        ["", ".", "..", "...", "a.b.c", "a.b", "Bearer", &format!("{token}."), &format!(".{token}"), signed]
    {
        check(&issuer, text, Err(Refusal::Malformed));
    }
    for text in
        [format!("{token}="), format!("{token} "), format!("{token}\n"), format!("{signed}.{signature}A=")]
    {
        check(&issuer, &text, Err(Refusal::Malformed));
    }
    check(&issuer, &format!("{signed}."), Err(Refusal::WrongSignature));
    check(&issuer, &"a".repeat(access_token::MAX_BYTES + 1), Err(Refusal::TooLong));
    for text in ["[]", "\"x\"", "", "{", "nonsense"] {
        let (header, claims) = (issuer.header().to_string(), user().to_string());
        check(&issuer, &issuer.sign_texts(text, &claims), Err(Refusal::Malformed));
        check(&issuer, &issuer.sign_texts(&header, text), Err(Refusal::MalformedClaims));
    }
}

#[test]
fn the_signature_is_checked_before_the_claims_are_read() {
    let issuer = Issuer::eddsa();
    let forged = Issuer::eddsa().sign_texts(&issuer.header().to_string(), "nonsense");
    check(&issuer, &forged, Err(Refusal::WrongSignature));
}

#[test]
fn a_refusal_does_not_repeat_the_token() {
    let issuer = Issuer::eddsa();
    let token = issuer.sign(&with(user(), "iss", json!("hunter2")));
    assert!(!format!("{:?}", verify(&issuer, &token, NOW)).contains("hunter2"));
}

/// The tokens of these tests are what others take for tokens too, so the refusals above mean something.
#[test]
fn another_library_takes_the_same_tokens() {
    for issuer in [Issuer::es256(), Issuer::eddsa(), Issuer::rs256()] {
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&issuer.jwks()).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(set.find("k-1").unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(issuer.algorithm().parse().unwrap());
        validation.set_audience(&["portcullis"]);
        validation.validate_exp = false;
        let token = issuer.sign(&user());
        let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
        assert_eq!(decoded.claims, user());
    }
}

#[test]
fn a_key_set_keeps_what_it_can_use() {
    let (ec, rsa) = (Issuer::es256(), Issuer::rs256());
    let named = |jwk: Value, kid: &str| with(jwk, "kid", json!(kid));
    let keys = [
        named(ec.jwk(), "good"),
        json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}),
        json!({"kty": "EC", "crv": "secp256k1", "kid": "k1", "x": "AA", "y": "AA"}),
        json!({"kty": "new", "kid": "new"}),
        json!("nonsense"),
        with(ec.jwk(), "kid", Value::Null),
        named(ec.jwk(), ""),
        named(with(ec.jwk(), "use", json!("enc")), "enc"),
        named(with(ec.jwk(), "key_ops", json!(["sign"])), "ops"),
        named(with(ec.jwk(), "alg", json!("ES384")), "alg"),
        named(with(ec.jwk(), "y", ec.jwk()["x"].clone()), "off-curve"),
        named(with(ec.jwk(), "x", json!("AAAA")), "short"),
        named(with(ec.jwk(), "d", json!("AAAA")), "private"),
        named(with(rsa.jwk(), "n", json!(encode(&[0xff; 128]))), "1024 bits"),
        named(with(rsa.jwk(), "alg", json!("PS256")), "pss"),
    ];
    let set = KeySet::parse(&jwks(&keys)).unwrap();
    assert_eq!(set.kids().collect::<Vec<_>>(), ["good"]);
    assert_eq!(set.ignored(), keys.len() - 1);
    assert!(set.contains("good") && !set.contains("oct"));
    assert_eq!(format!("{set:?}"), "{\"good\"}");
}

#[test]
fn a_key_set_without_a_key_is_none() {
    use access_token::KeySetError::{Duplicate, Empty, Malformed};
    let check = |json: &[u8], expected| assert_eq!(KeySet::parse(json).unwrap_err(), expected);
    check(b"", Malformed);
    check(b"[]", Malformed);
    check(b"{}", Malformed);
    check(b"{\"keys\":{}}", Malformed);
    check(b"{\"keys\":[]}", Empty);
    check(br#"{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}"#, Empty);
    let jwk = Issuer::es256().jwk();
    check(&jwks(&[jwk.clone(), jwk]), Duplicate("k-1".into()));
    let without_hints = with(with(Issuer::es256().jwk(), "alg", Value::Null), "use", Value::Null);
    assert!(KeySet::parse(&jwks(&[without_hints])).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Change one character of a good token to any other, anywhere: it is good no longer.
    #[test]
    fn any_changed_character_is_refused(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.=-]") {
        let issuer = Issuer::eddsa();
        let token = issuer.sign(&user());
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != token);
        prop_assert!(verify(&issuer, &changed, NOW).is_err());
    }

    /// Cut it, lengthen it, repeat a part of it: likewise.
    #[test]
    fn any_other_length_is_refused(
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        extra in "[A-Za-z0-9_.-]{0,3}",
    ) {
        let issuer = Issuer::es256();
        let token = issuer.sign(&user());
        let (from, to) = (from.index(token.len()), to.index(token.len()));
        let changed = format!("{}{extra}{}", &token[..from], &token[to..]);
        prop_assume!(changed != token);
        prop_assert!(verify(&issuer, &changed, NOW).is_err());
    }

    /// Whatever comes in, something comes out.
    #[test]
    fn any_text_is_answered(text in "\\PC{0,80}|[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}") {
        prop_assert!(verify(&Issuer::eddsa(), &text, NOW).is_err());
    }

    #[test]
    fn any_document_is_answered(json in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(KeySet::parse(&json).is_err());
    }
}
