//! Rule 5: what is remembered of a token is who it is, never what was decided, and for as long as it is true.

use serde_json::json;
use test_support::eventually;

use crate::forger::{Forger, now};
use crate::recorder::Recorder;
use crate::support::{Feed, Gateway, Setup};
use crate::world::{World, caller};

async fn status(gateway: &Gateway, path: &str, token: &str) -> u16 {
    gateway.get_with(path, token).await.status
}

#[tokio::test]
async fn one_routes_decision_is_not_anothers() {
    let world = World::new().await;
    let (gateway, forger) = (&world.gateway, &world.forger);
    let (user, admin) = (forger.anns(), forger.token("role", json!("ADMIN")));
    let client = json!({"client_id": "billing", "sub": "billing", "scope": "x"});
    let mut claims = forger.claims();
    claims.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
    for name in ["sid", "role", "email"] {
        claims.as_object_mut().unwrap().remove(name);
    }
    let client = forger.sign(&forger.header().to_string(), &claims.to_string());
    for _ in 0..3 {
        for (token, private, admin) in [(&user, 200, 403), (&admin, 200, 200), (&client, 403, 403)] {
            assert_eq!(status(gateway, "/private", token).await, private);
            assert_eq!(status(gateway, "/admin", token).await, admin);
            assert_eq!(status(gateway, "/nowhere", token).await, 404);
        }
    }
}

/// Tokens that share most of their bytes, asked for in turn over one connection, so by one core.
#[tokio::test]
async fn tokens_that_resemble_each_other_are_different_people() {
    let world = World::new().await;
    let forger = &world.forger;
    let people: Vec<_> = (0..50).map(|number| format!("u-{number:04}")).collect();
    let tokens: Vec<_> = people.iter().map(|person| forger.token("sub", json!(person))).collect();
    let mut client = world.gateway.client().await;
    for _ in 0..3 {
        for (person, token) in people.iter().zip(&tokens) {
            let answer = client.ask("GET /private", &[&format!("Authorization: Bearer {token}")]).await;
            assert_eq!(answer.status, 200);
            assert_eq!(caller(&world.recorder.take()[0]).user.unwrap().id, *person);
        }
    }
}

/// The good one is warm in the cache before each of its neighbours is tried.
#[tokio::test]
async fn a_neighbour_of_a_known_token_is_unknown() {
    let world = World::new().await;
    let good = world.forger.anns();
    let parts: Vec<_> = good.split('.').collect();
    let other = world.forger.token("role", json!("ADMIN"));
    let others: Vec<_> = other.split('.').collect();
    let mut neighbours: Vec<_> = [1, 2, 10, 43, 86].map(|cut| good[..good.len() - cut].to_owned()).into();
    neighbours.extend(["A", ".", "=", "~"].map(|more| format!("{good}{more}")));
    neighbours.push(format!("{}.{}.{}", parts[0], others[1], parts[2]));
    neighbours.push(format!("{}.{}.{}", parts[0], parts[1], others[2]));
    neighbours.push(format!("{}.{}.{}", parts[1], parts[0], parts[2]));
    for neighbour in neighbours {
        for _ in 0..2 {
            assert_eq!(status(&world.gateway, "/private", &good).await, 200);
            assert_eq!(status(&world.gateway, "/private", &neighbour).await, 401, "{neighbour}");
            assert_eq!(status(&world.gateway, "/optional", &neighbour).await, 401, "{neighbour}");
        }
    }
    assert!(world.recorder.take().iter().all(|arrived| caller(arrived).user.unwrap().role == "USER"));
}

#[tokio::test]
async fn what_is_known_ends_with_its_second() {
    let world = World::new().await;
    let token = world.forger.token("exp", json!(now() + 2));
    assert_eq!(status(&world.gateway, "/private", &token).await, 200);
    for path in ["/private", "/optional", "/admin"] {
        eventually("it has expired", async || {
            (status(&world.gateway, path, &token).await == 401).then_some(())
        })
        .await;
    }
    let expired_at = now();
    assert_eq!(status(&world.gateway, "/private", &world.forger.token("exp", json!(expired_at))).await, 401);
}

/// Known first, revoked afterwards, in each way that there is; and on every route that reads tokens.
#[tokio::test]
async fn what_is_known_ends_when_it_is_revoked() {
    for revocation in [
        r#""kind":"session","sid":"s-1""#,
        r#""kind":"user","sub":"u-ann","leastEpoch":1"#,
        r#""kind":"key","kid":"k1""#,
    ] {
        let (recorder, forger, feed) = (Recorder::new().await, Forger::new().await, Feed::empty().await);
        let tokens = feed.setting();
        let setup = Setup {
            servers: vec![recorder.server.address],
            jwks: Some(forger.url()),
            tokens: &tokens,
            ..Setup::default()
        };
        let gateway = setup.start().await;
        feed.until_subscribed(1).await;
        let (known, fresh) = (forger.anns(), forger.token("jti", json!("never seen before")));
        assert_eq!(
            [status(&gateway, "/private", &known).await, status(&gateway, "/optional", &known).await],
            [200; 2]
        );
        feed.revoke(revocation);
        eventually("it is revoked", async || {
            (status(&gateway, "/private", &known).await == 401).then_some(())
        })
        .await;
        for token in [&known, &fresh] {
            for path in ["/private", "/optional", "/admin", "/private"] {
                gateway.get_with(path, token).await.expect(401, "invalid_token");
            }
            assert_eq!(status(&gateway, "/public", token).await, 200, "no token is read there");
        }
    }
}

/// Nothing of a user's answer is kept for the next one, whatever the client asks of caches.
#[tokio::test]
async fn every_request_is_asked_anew() {
    let world = World::new().await;
    for headers in [
        &["Cache-Control: only-if-cached"][..],
        &["If-None-Match: *", "Cache-Control: max-stale=9999"],
        &["Range: bytes=0-0"],
    ] {
        for (number, token) in [world.forger.anns(), world.forger.token("jti", json!("2"))].iter().enumerate()
        {
            let mut headers = headers.to_vec();
            let authorization = format!("Authorization: Bearer {token}");
            headers.push(&authorization);
            assert_eq!(world.gateway.ask("GET /private/same", &headers).await.status, 200, "{number}");
            assert_eq!(world.recorder.take().len(), 1);
        }
        assert_eq!(world.gateway.ask("GET /private/same", headers).await.status, 401);
        assert!(world.recorder.take().is_empty());
    }
}
