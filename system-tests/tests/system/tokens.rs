//! The access token: what a gateway refuses, and that anybody's verifier accepts ours.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use system_tests::{Options, Stack};
use test_support::eventually;

async fn refused(stack: &Stack, token: &str) -> String {
    let client = stack.visitor();
    client.set_bearer(Some(token));
    let answer = client.get("/api/orders").await.expect(401);
    let challenge = answer.header("www-authenticate").unwrap().to_owned();
    assert!(challenge.starts_with("Bearer"), "{challenge}");
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    answer.code()
}

#[tokio::test]
async fn missing_garbled_and_wrongly_signed_tokens_are_challenged() {
    let stack = Stack::start().await;
    let missing = stack.visitor().get("/api/orders").await.expect(401);
    assert_eq!(missing.code(), "unauthenticated");
    assert_eq!(
        missing.header("www-authenticate"),
        Some("Bearer"),
        "no error code when no token was sent (RFC 6750)"
    );

    let ann = stack.customer("ann").await;
    let token = ann.access_token();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[10] ^= 1;
    let other = Stack::start().await.customer("ann").await;
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#),
        token.split('.').nth(1).unwrap()
    );
    for wrong in [
        "garbled".to_owned(),
        "a.b.c".to_owned(),
        format!("{head}."),
        head.to_owned(),
        format!("{head}.{}", URL_SAFE_NO_PAD.encode(&bytes)),
        format!("{token}A"),
        unsigned,
        other.access_token().to_owned(),
        "x".repeat(9_000),
    ] {
        assert_eq!(refused(&stack, &wrong).await, "invalid_token", "{wrong}");
    }
    ann.client.get("/api/orders").await.expect(200);
}

#[tokio::test]
async fn an_expired_token_is_refused_and_a_stale_one_does_not_stop_a_refresh() {
    let stack = Stack::with(Options::default().auth("JWT_ACCESS_TTL", "1s")).await;
    let ann = stack.customer("ann").await;
    eventually("the token has expired", async || {
        (ann.client.get("/api/orders").await.status == 401).then_some(())
    })
    .await;
    assert_eq!(refused(&stack, ann.access_token()).await, "invalid_token");
    ann.refresh().await.expect(200);
}

/// PyJWT fetches the key set through the gateway, as any service elsewhere would.
const PYJWT: &str = r#"
import json, sys, jwt
url, issuer, audience, token = sys.argv[1:]
key = jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
print(json.dumps(jwt.decode(token, key, algorithms=["ES256"], issuer=issuer, audience=audience,
    options={"require": ["iss", "aud", "sub", "client_id", "sid", "epoch", "jti", "iat", "exp"]})))
"#;

#[tokio::test]
async fn another_partys_jwt_library_verifies_our_token_through_the_jwks() {
    let python = test_support::python_with("pyjwt", &["PyJWT[crypto]==2.10.1"]);
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let url = format!("{}/.well-known/jwks.json", stack.url());
    let arguments = ["-c", PYJWT, &url, "http://localhost:8080", "portcullis", ann.access_token()];
    let output = tokio::process::Command::new(python).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let claims: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(claims["sub"], ann.login["user"]["id"]);
    assert_eq!(claims["email"], "ann@shop.example");
    assert_eq!(claims["role"], "USER");
    assert_eq!(claims["client_id"], "portcullis");
    assert_eq!(claims["amr"], serde_json::json!(["pwd"]));
}

#[tokio::test]
async fn two_replicas_sign_with_one_key_and_both_publish_it() {
    let stack = Stack::start().await;
    let first = stack.auth_direct(0).get("/.well-known/jwks.json").await.expect(200);
    let second = stack.auth_direct(1).get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(first.json(), second.json());
    assert_eq!(first.json()["keys"].as_array().unwrap().len(), 1);
    assert!(first.header("cache-control").unwrap().contains("max-age=300"));
    assert!(!first.text().contains("\"d\""), "no private part");
}
