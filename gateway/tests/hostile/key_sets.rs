//! Rule 6: a key set is fetched in the background, taken only if it is one, and never lost to a bad answer.

use serde_json::{Value, json};
use test_support::eventually;

use crate::forger::{encode, with};
use crate::world::World;

/// A token by a key that the gateway does not know: it looks once whether there is news.
async fn look_again(world: &World, number: usize) -> u16 {
    let forger = &world.forger;
    let header = with(forger.header(), "kid", json!(format!("new-{number}"))).to_string();
    let token = forger.sign_by_another(&header, &forger.claims().to_string());
    world.gateway.get_with("/private", &token).await.status
}

/// The key that was published before is good after the gateway has seen this answer.
async fn survives(world: &World, number: usize, what: &str) {
    let before = world.forger.fetches();
    eventually("the key set is asked for", async || {
        assert_eq!(look_again(world, number).await, 401, "{what}");
        (world.forger.fetches() > before).then_some(())
    })
    .await;
    assert_eq!(look_again(world, number).await, 401, "{what}");
    let fresh = world.forger.token("jti", json!(format!("after {number}")));
    for path in ["/private", "/optional"] {
        assert_eq!(world.gateway.get_with(path, &fresh).await.status, 200, "{what}");
    }
}

#[tokio::test]
async fn answers_that_are_no_key_set_change_nothing() {
    let world = World::new().await;
    let own = world.forger.jwk();
    let elsewhere = world.forger.url();
    let ok = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let huge = format!("{{\"keys\":[{own}],\"x\":\"{}\"}}", "x".repeat(2 << 20));
    let answers = [
        ok(""),
        ok("<html>"),
        ok("null"),
        ok("[]"),
        ok("{}"),
        ok("{\"keys\":{}}"),
        ok("{\"keys\":[]}"),
        ok(&format!("{{\"keys\":[{own},{own}]}}")),
        ok(&format!("{{\"keys\":{}", "[".repeat(100_000))),
        ok(&huge),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{huge}\r\n0\r\n\r\n",
            huge.len()
        ),
        "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"keys\":[".to_owned(),
        format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"),
        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
        format!(
            "HTTP/1.1 500 Oops\r\nContent-Length: {}\r\n\r\n{{\"keys\":[{own}]}}",
            own.to_string().len() + 11
        ),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
        "no HTTP at all\r\n\r\n".to_owned(),
        String::new(),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        world.forger.answer(answer.clone(), false);
        survives(&world, number, &format!("{answer:.100}")).await;
    }
}

/// Keys of these kinds are passed over, and the good one beside them is taken.
#[tokio::test]
async fn keys_that_may_not_verify_do_not() {
    let world = World::new().await;
    let forger = &world.forger;
    let own = forger.jwk();
    let named = |kid: &str, name: &str, value: Value| with(with(own.clone(), "kid", json!(kid)), name, value);
    let mut private = named("private", "d", json!(encode([1; 32])));
    private["x"] = own["x"].clone();
    let bad = [
        named("enc", "use", json!("enc")),
        named("ops", "key_ops", json!(["sign"])),
        named("alg", "alg", json!("HS256")),
        named("alg2", "alg", json!("ES384")),
        named("kty", "kty", json!("RSA")),
        named("curve", "crv", json!("P-384")),
        named("curve2", "crv", json!("secp256k1")),
        named("point", "y", own["x"].clone()),
        named("short", "x", json!("AAAA")),
        private,
        json!({"kty": "oct", "kid": "oct", "k": encode(forger.public_bytes()), "alg": "HS256"}),
        json!({"kty": "RSA", "kid": "small", "n": encode([0xff; 128]), "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "even", "n": encode([0xfe; 256]), "e": "Ag"}),
        json!({"kty": "OKP", "crv": "X25519", "kid": "okp", "x": encode([9; 32])}),
    ];
    let kids: Vec<_> = bad.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    let keys: Vec<_> = bad.into_iter().chain([own.clone()]).collect();
    forger.publish(&json!({ "keys": keys }).to_string());
    survives(&world, 0, "bad keys beside a good one").await;
    for kid in kids {
        let header = with(forger.header(), "kid", json!(kid)).to_string();
        let token = forger.sign(&header, &forger.claims().to_string());
        for path in ["/private", "/optional"] {
            world.gateway.get_with(path, &token).await.expect(401, "invalid_token");
        }
    }
    // The control: by this name the same point verifies.
    forger.publish(&json!({"keys": [own, named("k2", "use", json!("sig"))]}).to_string());
    let token =
        forger.sign(&with(forger.header(), "kid", json!("k2")).to_string(), &forger.claims().to_string());
    eventually("the second key is known", async || {
        (world.gateway.get_with("/private", &token).await.status == 200).then_some(())
    })
    .await;
}

/// An issuer that never finishes its answer holds nobody up whose key is known.
#[tokio::test]
async fn an_answer_without_end_holds_nobody_up() {
    let world = World::new().await;
    let asked = world.forger.fetches();
    world.forger.answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", true);
    // The first one may fall into the cool-down of the gateway's own first look.
    let unknown = async {
        while world.forger.fetches() == asked {
            assert_eq!(look_again(&world, 0).await, 401);
        }
    };
    let known = async {
        eventually("the key set is asked for", async || (world.forger.fetches() > asked).then_some(())).await;
        for number in 0..20 {
            let fresh = world.forger.token("jti", json!(format!("{number}")));
            assert_eq!(world.gateway.get_with("/private", &fresh).await.status, 200);
        }
    };
    tokio::join!(unknown, known);
}

#[tokio::test]
async fn a_storm_of_unknown_keys_is_one_question() {
    let (recorder, forger) = (crate::recorder::Recorder::new().await, crate::forger::Forger::new().await);
    let setup = crate::support::Setup {
        servers: vec![recorder.server.address],
        jwks: Some(forger.url()),
        tokens: "jwks_cooldown = \"1h\"\njwks_wait = \"10s\"",
        ..crate::support::Setup::default()
    };
    let gateway = setup.start().await;
    assert_eq!(forger.fetches(), 1);
    let tokens: Vec<_> = (0..300)
        .map(|number| {
            let header = with(forger.header(), "kid", json!(format!("unknown-{number}"))).to_string();
            forger.sign(&header, &forger.claims().to_string())
        })
        .collect();
    let mut asking = tokio::task::JoinSet::new();
    let address = gateway.address;
    for token in tokens {
        asking.spawn(async move {
            let mut client = crate::support::Client::connect(address).await;
            client.ask("GET /private", &[&format!("Authorization: Bearer {token}")]).await.status
        });
    }
    assert!(asking.join_all().await.into_iter().all(|status| status == 401));
    assert_eq!(forger.fetches(), 1, "within the cool-down nobody asks");
    assert_eq!(gateway.get_with("/private", &forger.anns()).await.status, 200);
}
