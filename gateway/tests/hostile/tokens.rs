//! Rule 7, second half: a token that is not exactly one of ours is 401 wherever tokens are read, and never nobody.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::forger::{Forger, encode, now, with};
use crate::world::{Door, World};

/// 401 on the routes that read tokens, from a cold cache and a warm one; on the public one it changes nothing.
async fn refused(world: &World, authorization: &str) {
    let bytes = format!("GET {{path}} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\r\n");
    for path in ["/private", "/optional", "/admin", "/private"] {
        let door = Door { path, user: "", token: None };
        let outcome = world.send(&door, &bytes).await;
        let first = outcome.replies.first().map(|reply| (reply.status, reply.code.as_str()));
        assert_eq!(first, Some((401, "invalid_token")), "{authorization:.300} on {path}");
        assert!(outcome.arrived.is_empty() && outcome.kept, "{authorization:.300} on {path}");
    }
    let public = Door { path: "/public", user: "", token: None };
    let outcome = world.send(&public, &bytes).await;
    assert_eq!((outcome.replies[0].status, outcome.arrived.len()), (200, 1), "{authorization:.300}");
}

async fn all_refused(tokens: impl IntoIterator<Item = String>, world: &World) {
    for token in tokens {
        refused(world, &format!("Bearer {token}")).await;
    }
}

fn with_header(forger: &Forger, name: &str, value: Value) -> String {
    forger.sign(&with(forger.header(), name, value).to_string(), &forger.claims().to_string())
}

#[tokio::test]
async fn a_header_cannot_choose_how_it_is_verified() {
    let world = World::new().await;
    let forger = &world.forger;
    let own = forger.jwk();
    all_refused(
        [
            "none", "None", "NONE", "nOnE", "HS256", "HS384", "RS256", "PS256", "ES384", "ES512", "EdDSA",
            "es256", "", "ES256 ",
        ]
        .map(|alg| with_header(forger, "alg", json!(alg))),
        &world,
    )
    .await;
    let members = [
        ("jwk", own.clone()),
        ("jku", json!(forger.url())),
        ("x5u", json!(forger.url())),
        ("x5c", json!(["AAAA"])),
        ("x5t", json!("AAAA")),
        ("x5t#S256", json!("AAAA")),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", Value::Null),
        ("jwk", Value::Null),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ];
    let harmless = |name: &str| name == "b64" || name == "zip";
    all_refused(
        members
            .iter()
            .filter(|(name, _)| !harmless(name))
            .map(|(name, value)| with_header(forger, name, value.clone())),
        &world,
    )
    .await;
    all_refused(
        ["JWT", "jwt", "at+JWT", "application/at+jwt", "id+jwt", "", "at+jwt "]
            .map(|typ| with_header(forger, "typ", json!(typ))),
        &world,
    )
    .await;
    for name in ["alg", "typ", "kid"] {
        all_refused(
            [Value::Null, json!(1), json!(["k1"]), json!({})].map(|value| with_header(forger, name, value)),
            &world,
        )
        .await;
    }
}

#[tokio::test]
async fn a_key_id_is_a_name_and_nothing_else() {
    let world = World::new().await;
    all_refused(
        [
            "../../../dev/null",
            "k1/../k1",
            "/etc/passwd",
            "k1\0",
            "K1",
            " k1",
            "k1 ",
            "",
            "k1' OR '1'='1",
            "http://evil.example/k1",
            "%6b1",
            "k1\n",
        ]
        .map(|kid| with_header(&world.forger, "kid", json!(kid))),
        &world,
    )
    .await;
    all_refused([with_header(&world.forger, "kid", json!("k".repeat(4000)))], &world).await;
}

#[tokio::test]
async fn signatures_that_are_none() {
    let world = World::new().await;
    let forger = &world.forger;
    let (header, claims) = (forger.header().to_string(), forger.claims().to_string());
    let good = forger.sign(&header, &claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let hmac_header = json!({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}).to_string();
    let text = format!("{}.{}", encode(hmac_header), encode(&claims));
    let mac = |secret: &[u8]| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        format!("{text}.{}", encode(tag))
    };
    let none = format!("{}.{}.", encode(r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#), encode(&claims));
    let jwk = forger.jwk().to_string();
    all_refused(
        [
            forger.sign_by_another(&header, &claims),
            mac(&forger.public_bytes()),
            mac(jwk.as_bytes()),
            mac(b""),
            none.clone(),
            format!("{none}{signature}"),
            format!("{signed}."),
            format!("{signed}.{}", encode([0; 64])),
            format!("{signed}.{}", encode([0xff; 64])),
            format!("{signed}.{}", encode([0; 63])),
            format!("{signed}.{}", encode([0; 65])),
            format!("{signed}.{}", encode([])),
            format!("{signed}.{signature}{signature}"),
            format!("{signed}.{signature}."),
            format!("{signed}.{signature}.x"),
            format!(".{signed}.{signature}"),
            signed.to_owned(),
            format!("{}.{signature}", signed.split_once('.').unwrap().0),
        ],
        &world,
    )
    .await;
}

/// The same bytes in another spelling are another token: whoever revoked or cached one did not mean the other.
#[tokio::test]
async fn base64url_has_one_spelling() {
    let world = World::new().await;
    let good = world.forger.anns();
    let parts: Vec<_> = good.split('.').collect();
    let (last, rest) = (good.chars().last().unwrap(), &good[..good.len() - 1]);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 64 bytes leave four bits of the last character unused: sixteen spellings of one signature.
    let unused = alphabet.find(last).unwrap() / 16 * 16;
    let siblings = alphabet[unused..unused + 16].chars().filter(|c| *c != last).map(|c| format!("{rest}{c}"));
    all_refused(siblings, &world).await;
    all_refused(
        [
            format!("{good}="),
            format!("{good}=="),
            format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
            format!("{}.{}==.{}", parts[0], parts[1], parts[2]),
            good.to_uppercase(),
            good.to_lowercase(),
            good.replace('.', "%2e"),
            good.replacen('.', "..", 1),
            good.replacen(['-', '_'], "+", 1),
        ]
        // Not every token has a character that the standard alphabet writes otherwise.
        .into_iter()
        .filter(|token| *token != good),
        &world,
    )
    .await;
}

#[tokio::test]
async fn claims_of_another_shape() {
    let world = World::new().await;
    let forger = &world.forger;
    let now = now();
    for name in ["exp", "iat", "nbf", "auth_time", "epoch"] {
        let values = [
            json!(now.to_string()),
            json!(1.5),
            json!(1e300),
            json!(u64::MAX),
            json!([now]),
            json!({}),
            json!(true),
            Value::Null,
        ];
        all_refused(values.map(|value| forger.token(name, value)), &world).await;
    }
    all_refused(
        [-1, 0, i64::MIN, now, now - 1, now - 3600].map(|exp| forger.token("exp", json!(exp))),
        &world,
    )
    .await;
    all_refused([now + 60, i64::MAX].map(|iat| forger.token("iat", json!(iat))), &world).await;
    all_refused([now + 60, i64::MAX].map(|nbf| forger.token("nbf", json!(nbf))), &world).await;
    for name in ["iss", "aud", "sub", "client_id", "sid", "jti"] {
        all_refused(
            [Value::Null, json!(""), json!(1), json!([]), json!({}), json!(["other"])]
                .map(|value| forger.token(name, value)),
            &world,
        )
        .await;
    }
    all_refused(
        ["http://auth/", "HTTP://auth", "http://auth ", "http://auth.evil.example", "http://aut"]
            .map(|iss| forger.token("iss", json!(iss))),
        &world,
    )
    .await;
    all_refused(
        ["api2", "API", "ap", "api ", "orders", "*"].map(|aud| forger.token("aud", json!(aud))),
        &world,
    )
    .await;
    all_refused(
        [json!(["orders"]), json!(["api", 1]), json!([["api"]]), json!({"api": 1})]
            .map(|aud| forger.token("aud", aud)),
        &world,
    )
    .await;
    for name in ["exp", "iat", "iss", "aud", "sub", "client_id", "sid", "epoch", "jti"] {
        let mut claims = forger.claims();
        claims.as_object_mut().unwrap().remove(name);
        all_refused([forger.sign(&forger.header().to_string(), &claims.to_string())], &world).await;
    }
}

#[tokio::test]
async fn what_is_said_twice_is_not_said() {
    let world = World::new().await;
    let forger = &world.forger;
    let (header, claims) = (forger.header().to_string(), forger.claims().to_string());
    let twice = |json: &str, member: &str| format!("{},{member}}}", json.strip_suffix('}').unwrap());
    all_refused(
        [
            r#""sub":"u-root""#,
            r#""role":"ADMIN""#,
            r#""\u0072ole":"ADMIN""#,
            r#""exp":9999999999"#,
            r#""iss":"http://auth""#,
            r#""x":{"a":1,"a":2}"#,
        ]
        .map(|member| forger.sign(&header, &twice(&claims, member))),
        &world,
    )
    .await;
    all_refused(
        [r#""alg":"ES256""#, r#""kid":"k1""#, r#""typ":"at+jwt""#]
            .map(|member| forger.sign(&twice(&header, member), &claims)),
        &world,
    )
    .await;
    for text in ["", "null", "[]", "{}", "\"x\"", "{\"sub\":\"u-ann\"", "\u{feff}{}", "{}{}"] {
        all_refused([forger.sign(&header, text), forger.sign(text, &claims)], &world).await;
    }
    all_refused(
        [forger.sign(&header, &format!(" {claims}x")), forger.sign(&header, &"[".repeat(3000))],
        &world,
    )
    .await;
    let nested = forger.sign(&header, &claims);
    all_refused([forger.sign(&header, &format!("\"{nested}\""))], &world).await;
}

#[tokio::test]
async fn what_is_no_bearer_token_at_all() {
    let world = World::new().await;
    let good = world.forger.anns();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Basic dTpw",
        "Digest x",
        "Negotiate x",
        "Token x",
        "Bearer a b",
        "Bearer a,b",
        "Bearer \"a\"",
        "Bearer a;b",
        "bearer=a",
        "Bearer\u{e9}",
        "Bearer .",
        "Bearer ..",
        "Bearer ...",
        "Bearer ....",
        "Bearer null",
        "Bearer undefined",
    ] {
        refused(&world, value).await;
    }
    for value in [
        format!("Bearer {good},Bearer {good}"),
        format!("Bearer {good} {good}"),
        format!("Bearer Bearer {good}"),
        format!("Bearer\t{good}"),
        good.clone(),
        format!("JWT {good}"),
        format!("Bearer \"{good}\""),
        format!("Bearer:{good}"),
        format!("Bearer{good}"),
        format!("Bearer {}", "a".repeat(9000)),
        format!("Bearer {good}{}", "a".repeat(9000)),
        format!("Bearer {}", ".".repeat(9000)),
    ] {
        refused(&world, &value).await;
    }
}

/// Nowhere but in `Authorization`.
#[tokio::test]
async fn a_token_elsewhere_is_none() {
    let world = World::new().await;
    let good = world.forger.anns();
    for (target, header) in [
        (format!("{{path}}?access_token={good}"), "X: 1".to_owned()),
        ("{path}".to_owned(), format!("Cookie: access_token={good}; Authorization={good}")),
        ("{path}".to_owned(), format!("Proxy-Authorization: Bearer {good}")),
        ("{path}".to_owned(), format!("X-Authorization: Bearer {good}")),
        ("{path}".to_owned(), format!("Authorization_: Bearer {good}")),
        ("{path}".to_owned(), format!("X-Access-Token: {good}")),
        ("{path}".to_owned(), format!("Sec-WebSocket-Protocol: portcullis, portcullis.bearer.{good}")),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
        for path in ["/public", "/optional", "/private"] {
            let outcome = world.send(&Door { path, user: "", token: None }, &bytes).await;
            let expected = if path == "/private" { 401 } else { 200 };
            assert_eq!(outcome.replies[0].status, expected, "{header:.40} on {path}");
        }
    }
}

/// The control: the same machinery makes tokens that are accepted, so the refusals above mean something.
#[tokio::test]
async fn honest_tokens_in_odd_but_lawful_spellings_pass() {
    let world = World::new().await;
    let forger = &world.forger;
    let good = forger.anns();
    let spaced = forger
        .sign("{\"kid\":\"k1\" , \"typ\":\"at+jwt\",\n\"alg\":\"ES256\"}", &forger.claims().to_string());
    for authorization in [
        format!("Bearer {good}"),
        format!("bearer {good}"),
        format!("BEARER  {good} "),
        format!("Bearer {spaced}"),
        format!("Bearer {}", forger.token("aud", json!(["other", "api"]))),
        format!("Bearer {}", forger.token("unknown", json!({"a": []}))),
        format!("Bearer {}", forger.token("iat", json!(now() + 3))),
    ] {
        let bytes =
            format!("GET {{path}} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\r\n");
        for path in ["/optional", "/private"] {
            let outcome = world.send(&Door { path, user: "u-ann", token: None }, &bytes).await;
            assert_eq!((outcome.replies[0].status, outcome.arrived.len()), (200, 1), "{authorization:.40}");
        }
    }
}
