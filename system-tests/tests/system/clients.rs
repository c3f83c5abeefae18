//! Internal services with tokens of their own, over two replicas of everything.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use system_tests::{Options, Server, Stack};
use test_support::reqwest::Method;
use test_support::{Answer, HttpClient, eventually, eventually_within};

const ORDERS: &str = "/api/services/orders";

/// A client as the command line made it.
pub(crate) struct Service {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Service {
    pub(crate) fn create(stack: &Stack, id: &str, scopes: &[&str]) -> Self {
        let mut arguments = vec!["clients", "create", "--id", id];
        scopes.iter().for_each(|scope| arguments.extend(["--scope", scope]));
        Self::shown(&stack.auth_command(&arguments, ""))
    }

    fn rotate(&self, stack: &Stack, further: &[&str]) -> Self {
        let arguments = [&["clients", "rotate", &self.id], further].concat();
        Self::shown(&stack.auth_command(&arguments, ""))
    }

    fn delete(&self, stack: &Stack) {
        stack.auth_command(&["clients", "delete", &self.id], "");
    }

    /// One line of JSON with two members.
    fn shown(output: &str) -> Self {
        let shown: Value = serde_json::from_str(output.trim()).unwrap();
        assert_eq!((output.lines().count(), shown.as_object().unwrap().len()), (1, 2), "{output}");
        let text = |name: &str| shown[name].as_str().unwrap().to_owned();
        Self { id: text("clientId"), secret: text("clientSecret") }
    }

    pub(crate) async fn post(&self, auth: &HttpClient, path: &str, form: &str) -> Answer {
        let request = auth.request(Method::POST, path).basic_auth(&self.id, Some(&self.secret));
        let content = ("content-type", "application/x-www-form-urlencoded");
        auth.send(request.header(content.0, content.1).body(form.to_owned())).await
    }

    pub(crate) async fn ask_token(&self, auth: &HttpClient) -> Answer {
        self.post(auth, "/oauth/token", "grant_type=client_credentials").await
    }

    pub(crate) async fn token(&self, auth: &HttpClient) -> String {
        let answer = self.ask_token(auth).await.expect(200).json();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn is_active(&self, auth: &HttpClient, token: &str) -> bool {
        let answer = self.post(auth, "/oauth/introspect", &format!("token={token}")).await.expect(200);
        answer.json()["active"].as_bool().unwrap()
    }
}

/// Both gateways, for whoever has this token.
fn gateways(stack: &Stack, token: &str) -> [HttpClient; 2] {
    [0, 1].map(|replica| {
        let client = HttpClient::new(stack.gateway_url(replica));
        client.set_bearer(Some(token));
        client
    })
}

/// Waits until both gateways refuse a token as no longer good; how long that took.
async fn refused_everywhere(clients: &[HttpClient; 2]) -> Duration {
    let began = Instant::now();
    for client in clients {
        eventually_within(Duration::from_secs(10), "a gateway refuses", async || {
            let answer = client.get(ORDERS).await;
            (answer.status == 401 && answer.code() == "invalid_token").then_some(())
        })
        .await;
    }
    began.elapsed()
}

#[tokio::test]
async fn a_client_passes_the_routes_that_name_it_and_no_others() {
    let stack = Stack::start().await;
    let (billing, reports) =
        (Service::create(&stack, "billing", &[]), Service::create(&stack, "reports", &[]));
    let (ann, root) = (stack.customer("ann").await, stack.admin("root").await);
    let order = ann.place_order("tea").await;
    for client in gateways(&stack, &billing.token(&stack.auth_direct(0)).await) {
        let seen = client.get(ORDERS).await.expect(200).json();
        assert_eq!(seen["items"][0]["id"], order["id"]);
        for path in
            ["/api/orders", "/api/admin/orders", "/api/auth/me", "/api/auth/sessions", "/api/admin/users"]
        {
            assert_eq!(client.get(path).await.expect(403).code(), "forbidden", "{path}");
        }
        client.get("/.well-known/jwks.json").await.expect(200);
        client.get("/oauth/token").await.expect(404);
    }
    let [other, _] = gateways(&stack, &reports.token(&stack.auth_direct(1)).await);
    assert_eq!(other.get(ORDERS).await.expect(403).code(), "forbidden");
    for user in [&ann, &root] {
        assert_eq!(user.client.get(ORDERS).await.expect(403).code(), "forbidden");
    }
    stack.visitor().get(ORDERS).await.expect(401);
    // Who only calls themselves like a client is a user.
    let posing = stack.customer("client:billing").await;
    posing.client.get("/api/orders").await.expect(200);
    posing.client.get(ORDERS).await.expect(403);
}

#[expect(clippy::print_stdout, reason = "the times are worth reading")]
#[tokio::test]
async fn rotating_and_deleting_take_effect_at_both_gateways_at_once() {
    let stack = Stack::start().await;
    let auth = stack.auth_direct(0);
    let asking = Service::create(&stack, "asking", &["introspect"]);
    let billing = Service::create(&stack, "billing", &["orders:read"]);
    let token = billing.token(&auth).await;
    let old = gateways(&stack, &token);
    for client in &old {
        client.get(ORDERS).await.expect(200);
    }
    assert!(asking.is_active(&stack.auth_direct(1), &token).await);

    let rotated = billing.rotate(&stack, &[]);
    println!("rotated to refused at both gateways: {:?}", refused_everywhere(&old).await);
    assert!(!asking.is_active(&stack.auth_direct(1), &token).await);
    let refusal = billing.ask_token(&auth).await.expect(401);
    assert_eq!(refusal.json()["error"], "invalid_client");
    let token = rotated.token(&auth).await;
    let new = gateways(&stack, &token);
    for client in &new {
        client.get(ORDERS).await.expect(200);
    }

    // With an overlap nobody notices.
    let overlapped = rotated.rotate(&stack, &["--keep-old", "1h"]);
    for service in [&rotated, &overlapped] {
        for client in gateways(&stack, &service.token(&stack.auth_direct(1)).await) {
            client.get(ORDERS).await.expect(200);
        }
    }
    for client in &new {
        client.get(ORDERS).await.expect(200);
    }

    overlapped.delete(&stack);
    println!("deleted to refused at both gateways: {:?}", refused_everywhere(&new).await);
    overlapped.ask_token(&auth).await.expect(401);
    // Made again, it is another one: the revocation of the old one does not concern it.
    let again = Service::create(&stack, "billing", &[]);
    for client in gateways(&stack, &again.token(&auth).await) {
        client.get(ORDERS).await.expect(200);
    }
    for client in &new {
        client.get(ORDERS).await.expect(401);
    }
}

#[tokio::test]
async fn a_gateway_that_comes_late_knows_of_clients_that_were_deleted() {
    let mut stack = Stack::start().await;
    let billing = Service::create(&stack, "billing", &[]);
    let token = billing.token(&stack.auth_direct(0)).await;
    stack.gateways[1].stop().await;
    billing.delete(&stack);
    stack.gateways[1] = stack.new_gateway(1);
    stack.ready().await;
    refused_everywhere(&gateways(&stack, &token)).await;
}

#[tokio::test]
async fn a_revoked_signing_key_takes_clients_tokens_along() {
    let stack = Stack::start().await;
    let billing = Service::create(&stack, "billing", &["introspect"]);
    let auth = stack.auth_direct(0);
    let token = billing.token(&auth).await;
    let kid = stack.auth_command(&["keys", "list"], "").split('\t').next().unwrap().to_owned();
    stack.auth_command(&["keys", "revoke", &kid], "");
    refused_everywhere(&gateways(&stack, &token)).await;
    eventually("the auth service says so too", async || {
        (!billing.is_active(&auth, &token).await).then_some(())
    })
    .await;
    let token = billing.token(&auth).await;
    // A gateway that asked the other replica for keys a moment too early asks again after its cool-down.
    for client in gateways(&stack, &token) {
        eventually("the next key's tokens pass", async || {
            (client.get(ORDERS).await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_hundred_requests_at_once_get_a_hundred_tokens() {
    let stack = Stack::start().await;
    let billing = Service::create(&stack, "billing", &[]);
    let replicas = [stack.auth_direct(0), stack.auth_direct(1)];
    let asked = (0..100).map(|number| billing.token(&replicas[number % 2]));
    let tokens: HashSet<String> = futures_util::future::join_all(asked).await.into_iter().collect();
    assert_eq!(tokens.len(), 100);
    for (number, token) in tokens.iter().enumerate() {
        gateways(&stack, token)[number % 2].get(ORDERS).await.expect(200);
    }
}

#[tokio::test]
async fn revoking_a_users_token_ends_the_session_at_both_gateways() {
    let stack = Stack::start().await;
    let guard = Service::create(&stack, "guard", &["revoke", "introspect"]);
    let ann = stack.customer("ann").await;
    let clients = gateways(&stack, ann.access_token());
    for client in &clients {
        client.get("/api/orders").await.expect(200);
    }
    let auth = stack.auth_direct(1);
    assert!(guard.is_active(&auth, ann.access_token()).await);
    guard.post(&auth, "/oauth/revoke", &format!("token={}", ann.access_token())).await.expect(200);
    for client in &clients {
        eventually("the session has ended", async || {
            (client.get("/api/orders").await.status == 401).then_some(())
        })
        .await;
    }
    assert_eq!(ann.refresh().await.expect(401).code(), "session_ended");
    assert!(!guard.is_active(&auth, ann.access_token()).await);
}

#[tokio::test]
async fn without_the_database_there_are_no_new_tokens_and_the_old_ones_work() {
    let mut stack = Stack::on(Server::own(&[]), Options::default()).await;
    let billing = Service::create(&stack, "billing", &["introspect", "revoke"]);
    let auth = stack.auth_direct(0);
    let token = billing.token(&auth).await;
    stack.server.cluster().stop().unwrap();
    for (path, form) in [
        ("/oauth/token", "grant_type=client_credentials".to_owned()),
        ("/oauth/introspect", format!("token={token}")),
        ("/oauth/revoke", format!("token={token}")),
    ] {
        let began = Instant::now();
        let answer = billing.post(&auth, path, &form).await.expect(503);
        assert!(began.elapsed() < Duration::from_millis(1_500), "{path} took {:?}", began.elapsed());
        assert!(answer.header("retry-after").is_some(), "{path}");
        assert_eq!(answer.json()["error"], "temporarily_unavailable", "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    auth.get("/.well-known/oauth-authorization-server").await.expect(200);
    stack.server.cluster().restart().unwrap();
    eventually("tokens are given again", async || {
        (billing.ask_token(&auth).await.status == 200).then_some(())
    })
    .await;
    assert!(billing.is_active(&auth, &token).await);
}

#[tokio::test]
async fn neither_secrets_nor_tokens_are_in_any_log() {
    let stack = Stack::with(Options::default().auth("LOG", "debug")).await;
    let billing = Service::create(&stack, "billing", &["introspect"]);
    let auth = stack.auth_direct(0);
    let token = billing.token(&auth).await;
    let guessed =
        Service { id: "billing".to_owned(), secret: "portcullis_cs_guessed-by-somebody".to_owned() };
    guessed.ask_token(&auth).await.expect(401);
    let in_url = format!("/oauth/token?client_id=billing&client_secret={}", billing.secret);
    auth.post_empty(&in_url).await.expect(400);
    billing.post(&auth, "/oauth/introspect", &format!("token={token}")).await.expect(200);
    billing.post(&auth, "/oauth/token", &format!("grant_type={}", billing.secret)).await.expect(400);
    gateways(&stack, &token)[0].get(ORDERS).await.expect(200);
    stack.auth[0].line_with("a client was refused").await;
    for process in stack.auth.iter().chain(&stack.gateways).chain(&stack.orders) {
        for line in process.lines() {
            for secret in [&billing.secret, &guessed.secret, &token] {
                assert!(!line.contains(secret.as_str()), "{line}");
            }
        }
    }
    let dump = stack.auth_database().await;
    let row = dump.query_one("SELECT string_agg(clients::text, '') FROM clients", &[]).await.unwrap();
    assert!(!row.get::<_, String>(0).contains(&billing.secret));
}

/// authlib asks for a token with both methods and introspects it; PyJWT verifies it with the published keys.
const AUTHLIB: &str = r#"
import json, sys, jwt, requests
from authlib.integrations.requests_client import OAuth2Session
auth, client_id, secret, issuer = sys.argv[1:]
metadata = requests.get(f"{auth}/.well-known/oauth-authorization-server").json()
answers = {}
for method in metadata["token_endpoint_auth_methods_supported"]:
    session = OAuth2Session(client_id, secret, token_endpoint_auth_method=method, scope="orders:read",
        revocation_endpoint_auth_method=method)
    token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    told = session.introspect_token(metadata["introspection_endpoint"], token=token["access_token"]).json()
    garbage = session.introspect_token(metadata["introspection_endpoint"], token="garbage").json()
    revoked = session.revoke_token(metadata["revocation_endpoint"], token="garbage").status_code
    key = jwt.PyJWKClient(f"{auth}/.well-known/jwks.json").get_signing_key_from_jwt(token["access_token"])
    claims = jwt.decode(token["access_token"], key, algorithms=["ES256"], issuer=issuer, audience="portcullis")
    answers[method] = {"token": token, "told": told, "garbage": garbage, "revoked": revoked, "claims": claims}
wrong = OAuth2Session(client_id, secret + "x", token_endpoint_auth_method="client_secret_basic")
try:
    wrong.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
except Exception as error:
    answers["wrong"] = error.error
print(json.dumps(answers))
"#;

#[tokio::test]
async fn another_partys_client_gets_introspects_and_verifies_tokens() {
    let python = test_support::python_with(
        "authlib",
        &["Authlib==1.9.6", "requests==2.34.2", "PyJWT[crypto]==2.10.1"],
    );
    let stack = Stack::start().await;
    let billing = Service::create(&stack, "billing", &["orders:read", "introspect", "revoke"]);
    let arguments =
        ["-c", AUTHLIB, &stack.auth_url(0), &billing.id, &billing.secret, "http://localhost:8080"];
    let output = tokio::process::Command::new(python).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();
    for method in ["client_secret_basic", "client_secret_post"] {
        let answer = &answers[method];
        assert_eq!(answer["token"]["scope"], "orders:read", "{method}: {answers}");
        assert_eq!((&answer["told"]["active"], &answer["told"]["sub"]), (&json!(true), &json!("billing")));
        assert_eq!((&answer["garbage"], &answer["revoked"]), (&json!({"active": false}), &json!(200)));
        assert_eq!(
            (&answer["claims"]["sub"], &answer["claims"]["client_id"]),
            (&json!("billing"), &json!("billing"))
        );
        assert_eq!((answer["claims"].get("sid"), answer["claims"].get("role")), (None, None));
        let token = answer["token"]["access_token"].as_str().unwrap();
        gateways(&stack, token)[1].get(ORDERS).await.expect(200);
    }
    assert_eq!(answers["wrong"], "invalid_client");
}
