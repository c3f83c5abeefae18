//! The second factor, from the code of somebody else's app to the order that is placed with it.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::{Value, json};
use system_tests::{Actor, JWT_SECRET, ORIGIN, PASSWORD, Stack};
use test_support::reqwest::Method;
use test_support::{Answer, HttpClient};
use tokio::process::Command;
use tokio::task::JoinSet;

const PATH: &str = "/api/auth/second-factor";
const NEW_SECRET: &str = "Jq8vTzW1b0cN5xYkR3mHs7LpQeUoDiFgA2tZyXwVuCk=";

/// pyotp reads the `otpauth:` URI as an app does, and shows the codes of so many steps from now.
const PYOTP: &str = r#"
import sys, time, pyotp
app = pyotp.parse_uri(sys.argv[1])
assert (app.issuer, app.interval, app.digits) == ("localhost", 30, 6), vars(app)
assert app.name == sys.argv[2], app.name
now = int(time.time())
print(" ".join(app.at(now + 30 * int(steps)) for steps in sys.argv[3:]))
"#;

/// One for all tests of this file: they run at once, and an environment is made by one at a time.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| test_support::python_with("pyotp", &["pyotp==2.9.0"]));

/// An app on which an account is enrolled.
pub(crate) struct App {
    uri: String,
    email: String,
    recovery_codes: Vec<String>,
}

impl App {
    /// Enrols the app; nothing is asked of it yet.
    pub(crate) async fn enrol(owner: &Actor) -> Self {
        let told = owner.client.post(PATH, &json!({"currentPassword": PASSWORD})).await.expect(200).json();
        let uri = told["otpauthUri"].as_str().unwrap().to_owned();
        Self { uri, email: owner.email.clone(), recovery_codes: Vec::new() }
    }

    /// Enrols the app at one gateway and confirms it at the other.
    pub(crate) async fn of(stack: &Stack, owner: &Actor) -> Self {
        let mut app = Self::enrol(owner).await;
        let other = HttpClient::new(stack.gateway_url(1)).origin(ORIGIN);
        other.set_bearer(Some(owner.access_token()));
        let code = app.code(0).await;
        let confirmed =
            other.post(&format!("{PATH}/confirm"), &json!({"code": code})).await.expect(200).json();
        let codes = confirmed["recoveryCodes"].as_array().unwrap().iter();
        app.recovery_codes = codes.map(|code| code.as_str().unwrap().to_owned()).collect();
        app.forget_codes(stack).await;
        app
    }

    /// Makes every code look as if it had not been used.
    async fn forget_codes(&self, stack: &Stack) {
        let database = stack.auth_database().await;
        database.batch_execute("UPDATE second_factors SET last_step = NULL").await.unwrap();
    }

    /// What the app shows so many steps from now.
    pub(crate) async fn code(&self, steps: i32) -> String {
        let steps = steps.to_string();
        let output =
            Command::new(&*PYTHON).args(["-c", PYOTP, &self.uri, &self.email, &steps]).output().await;
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn credentials(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

/// The first step of a login: the challenge.
async fn first_step(client: &HttpClient, email: &str) -> String {
    let asked = client.post("/api/auth/login", &credentials(email)).await.expect(403);
    assert_eq!(asked.code(), "mfa_required");
    assert!(asked.set_cookies().is_empty(), "no session before the second step");
    asked.json()["challenge"].as_str().unwrap().to_owned()
}

async fn second_step(client: &HttpClient, challenge: &str, code: &str) -> Answer {
    client.post("/api/auth/login/second-factor", &json!({"challenge": challenge, "code": code})).await
}

#[tokio::test]
async fn a_careful_customer_logs_in_with_an_app_that_somebody_else_wrote() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let app = App::of(&stack, &ann).await;

    let laptop = stack.visitor();
    let challenge = first_step(&laptop, &ann.email).await;
    assert_eq!(second_step(&laptop, &challenge, "12345").await.expect(401).code(), "invalid_code");
    let login = second_step(&laptop, &challenge, &app.code(0).await).await.expect(200);
    laptop.set_bearer(login.json()["accessToken"].as_str());
    let me = laptop.get("/api/auth/me").await.expect(200).json();
    assert_eq!((&me["user"]["email"], &me["secondFactor"]), (&"ann@shop.example".into(), &true.into()));
    laptop.get("/api/orders").await.expect(200);
    laptop.post_empty("/api/auth/refresh").await.expect(200);

    let phone = HttpClient::new(stack.gateway_url(1)).origin(ORIGIN);
    let challenge = first_step(&phone, &ann.email).await;
    second_step(&phone, &challenge, &app.recovery_codes[0]).await.expect(200);
    assert_eq!(laptop.get(PATH).await.expect(200).json()["recoveryCodesLeft"], 9);

    let remove = laptop.request(Method::DELETE, PATH).json(&json!({"currentPassword": PASSWORD}));
    laptop.send(remove).await.expect(204);
    stack.visitor().post("/api/auth/login", &credentials(&ann.email)).await.expect(200);
}

#[tokio::test]
async fn one_code_at_two_gateways_and_two_replicas_at_once_opens_one_session() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let app = App::of(&stack, &ann).await;
    let challenge = first_step(&stack.visitor(), &ann.email).await;
    for code in [app.code(1).await, app.recovery_codes[0].clone()] {
        let mut running = JoinSet::new();
        for number in 0..100 {
            let client = HttpClient::new(stack.gateway_url(number % 2)).origin(ORIGIN);
            let (challenge, code) = (challenge.clone(), code.clone());
            running.spawn(async move { second_step(&client, &challenge, &code).await.status.as_u16() });
        }
        let statuses = running.join_all().await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|status| [200, 401].contains(status)), "{statuses:?}");
    }
}

#[tokio::test]
async fn a_stolen_challenge_and_a_watched_code_are_worth_nothing_afterwards() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let app = App::of(&stack, &ann).await;
    let (laptop, thief) = (stack.visitor(), HttpClient::new(stack.gateway_url(1)));
    let (challenge, stolen) = (first_step(&laptop, &ann.email).await, first_step(&thief, &ann.email).await);
    let (code, next) = (app.code(0).await, app.code(1).await);
    second_step(&laptop, &challenge, &code).await.expect(200);
    assert_eq!(second_step(&thief, &stolen, &code).await.expect(401).code(), "invalid_code");
    // Neither is the challenge a token of any other kind.
    thief.set_bearer(Some(&stolen));
    assert_eq!(thief.get("/api/orders").await.expect(401).code(), "invalid_token");
    thief.set_bearer(None);
    thief.post("/api/auth/refresh", &json!({"refreshToken": stolen})).await.expect(401);

    let change = json!({"currentPassword": PASSWORD, "newPassword": "another quite unusual one"});
    ann.client.post("/api/auth/password", &change).await.expect(204);
    assert_eq!(second_step(&thief, &stolen, &next).await.expect(401).code(), "invalid_challenge");
}

#[tokio::test]
async fn jwt_secret_is_replaced_under_enrolled_accounts() {
    let mut stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let app = App::of(&stack, &ann).await;
    let challenge = first_step(&stack.visitor(), &ann.email).await;

    restart_auth(&mut stack, NEW_SECRET, JWT_SECRET).await;
    second_step(&stack.visitor(), &challenge, &app.code(0).await).await.expect(200);
    let printed = stack.auth_command(&["keys", "reencrypt"], "");
    assert!(printed.contains("1 second factors moved to the current JWT_SECRET"), "{printed}");

    restart_auth(&mut stack, NEW_SECRET, "").await;
    let challenge = first_step(&stack.visitor(), &ann.email).await;
    second_step(&stack.visitor(), &challenge, &app.code(1).await).await.expect(200);
}

async fn restart_auth(stack: &mut Stack, secret: &str, previous: &str) {
    let options = stack.options.clone();
    stack.options = options.auth("JWT_SECRET", secret).auth("JWT_SECRET_PREVIOUS", previous);
    for replica in 0..2 {
        stack.auth[replica].stop().await;
        stack.auth[replica] = stack.new_auth(replica);
    }
    stack.ready().await;
}

#[tokio::test]
async fn whoever_runs_the_service_helps_who_has_lost_everything() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    App::of(&stack, &ann).await;
    first_step(&stack.visitor(), &ann.email).await;
    let printed = stack.auth_command(&["users", "reset-second-factor", &ann.email], "");
    assert!(printed.contains(&ann.email), "{printed}");
    stack.visitor().post("/api/auth/login", &credentials(&ann.email)).await.expect(200);
}
