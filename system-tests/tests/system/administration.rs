//! Administrators who remove each other, over two replicas and by command; accounts and the trail through the gateway.

use serde_json::{Value, json};
use system_tests::{Actor, PASSWORD, Stack};
use test_support::{Answer, eventually};

const ROUNDS: usize = 30;

fn id(actor: &Actor) -> &str {
    actor.login["user"]["id"].as_str().unwrap()
}

fn path(actor: &Actor) -> String {
    format!("/api/admin/users/{}", id(actor))
}

/// A new administrator, logged in at one of the gateways.
async fn administrator(stack: &Stack, name: &str, gateway: usize) -> Actor {
    let email = format!("{name}@shop.example");
    stack.auth_command(&["users", "create", "--email", &email, "--role", "ADMIN"], PASSWORD);
    let client = test_support::HttpClient::new(stack.gateway_url(gateway)).origin(system_tests::ORIGIN);
    Actor::log_in(client, &email).await
}

/// One of the ways to take an administrator away.
async fn remove(by: &Actor, whom: &Actor, way: usize) -> Answer {
    match way % 3 {
        0 => by.client.patch(&path(whom), &json!({"role": "USER"})).await,
        1 => by.client.patch(&path(whom), &json!({"status": "disabled"})).await,
        _ => by.client.delete(&path(whom)).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_remove_each_other_one_is_left() {
    let stack = Stack::start().await;
    let database = stack.auth_database().await;
    for round in 0..ROUNDS {
        let one = administrator(&stack, &format!("one{round}"), 0).await;
        let other = administrator(&stack, &format!("other{round}"), 1).await;
        let nobody_else = "UPDATE users SET role = 'USER' WHERE email NOT IN ($1, $2)";
        database.execute(nobody_else, &[&one.email, &other.email]).await.unwrap();
        // Each the other, or each themselves; in all nine pairs of ways.
        let (first, second) = if round % 2 == 0 {
            tokio::join!(remove(&one, &other, round), remove(&other, &one, round / 3))
        } else {
            tokio::join!(remove(&one, &one, round), remove(&other, &other, round / 3))
        };
        let statuses = [first.status.as_u16(), second.status.as_u16()];
        let done = statuses.iter().filter(|status| [200, 204].contains(*status)).count();
        assert_eq!(done, 1, "round {round}: {statuses:?}");
        // The one who came second had been removed already, or is the last.
        assert!(statuses.iter().any(|status| [401, 404, 409].contains(status)), "{statuses:?}");
        let left = "SELECT count(*) FROM users WHERE role = 'ADMIN' AND status = 'active'";
        assert_eq!(database.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_and_a_request_do_not_remove_the_last_two_either() {
    let stack = Stack::start().await;
    let database = stack.auth_database().await;
    for round in 0..6 {
        let one = administrator(&stack, &format!("one{round}"), round % 2).await;
        let other = administrator(&stack, &format!("other{round}"), 0).await;
        let nobody_else = "UPDATE users SET role = 'USER' WHERE email NOT IN ($1, $2)";
        database.execute(nobody_else, &[&one.email, &other.email]).await.unwrap();
        let command = ["delete", "disable", "delete"][round % 3];
        let (code, answer) = tokio::join!(
            async { tokio::task::block_in_place(|| stack.auth_command_code(&["users", command, id(&one)])) },
            remove(&one, &other, round)
        );
        assert_ne!(code == 0, answer.status.is_success(), "round {round}: {code} and {}", answer.status);
        assert!(code == 0 || code == 4, "round {round}: {code}");
        let left = "SELECT count(*) FROM users WHERE role = 'ADMIN' AND status = 'active'";
        assert_eq!(database.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 1, "round {round}");
    }
}

#[tokio::test]
async fn an_account_is_made_found_and_deleted_and_every_gateway_hears_of_it() {
    let stack = Stack::start().await;
    let boss = stack.admin("boss").await;
    let new = json!({"email": "ann@shop.example", "password": PASSWORD});
    boss.client.post("/api/admin/users", &new).await.expect(201);
    let ann = Actor::log_in(stack.visitor(), "ann@shop.example").await;
    let order = ann.place_order("tea").await;
    let found = boss.client.get("/api/admin/users?q=@shop&role=USER").await.expect(200).json();
    assert_eq!(found["items"][0]["id"], id(&ann));
    ann.client.get("/api/admin/users").await.expect(403);
    ann.client.get("/api/admin/audit").await.expect(403);

    boss.client.delete(&path(&ann)).await.expect(204);
    for gateway in 0..2 {
        let client = test_support::HttpClient::new(stack.gateway_url(gateway));
        client.set_bearer(Some(ann.access_token()));
        eventually("the token is refused", async || {
            (client.get("/api/orders").await.status.as_u16() == 401).then_some(())
        })
        .await;
    }
    let orders = boss.client.get("/api/admin/orders").await.expect(200).json();
    assert_eq!(
        (&orders["items"][0]["id"], &orders["items"][0]["customerId"]),
        (&order["id"], &json!(id(&ann)))
    );
    let trail = boss.client.get(&format!("/api/admin/audit?user={}", id(&ann))).await.expect(200).json();
    let kinds: Vec<&Value> = trail["items"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["account_deleted", "login", "account_created"]);
    assert_eq!(trail["items"][0]["actor"], id(&boss));
}

#[tokio::test]
async fn what_an_operator_ends_every_gateway_hears_of() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    stack.auth_command(&["users", "disable", &ann.email], "");
    for gateway in 0..2 {
        let client = test_support::HttpClient::new(stack.gateway_url(gateway));
        client.set_bearer(Some(ann.access_token()));
        eventually("the token is refused", async || {
            (client.get("/api/orders").await.status.as_u16() == 401).then_some(())
        })
        .await;
    }
    ann.refresh().await.expect(403);
}
