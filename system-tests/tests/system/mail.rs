//! Mail, through a real server: what arrives, when, how often, and what its links are good for.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use system_tests::{Actor, Options, PASSWORD, Stack};
use test_support::{Answer, HttpClient, TestProcess, eventually, free_port, python_with};

const NEW_PASSWORD: &str = "another quite unusual one";

/// A mail server of the test's own.
struct MailServer {
    port: u16,
    arguments: Vec<String>,
    process: TestProcess,
}

impl MailServer {
    async fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let port = free_port();
        Self { port, process: Self::run(port, &arguments).await, arguments }
    }

    async fn run(port: u16, arguments: &[String]) -> TestProcess {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/system/smtp.py");
        let mut command = Command::new(python_with("aiosmtpd", &["aiosmtpd==1.4.6"]));
        command.arg(script).arg(port.to_string()).args(arguments);
        let process = TestProcess::spawn("smtp", command);
        process.line_with("listening").await;
        process
    }

    /// Starts it again at the same address.
    async fn restart(&mut self) {
        self.process = Self::run(self.port, &self.arguments).await;
    }

    /// Starts it again at the same address, with other manners.
    async fn restart_with(&mut self, arguments: &[&str]) {
        self.process.kill();
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.restart().await;
    }

    fn options(&self) -> Options {
        Options::default()
            .auth("MAIL_SMTP_URL", format!("smtp://127.0.0.1:{}", self.port))
            .auth("MAIL_FROM", "Bücher & Söhne <no-reply@shop.example>")
            .auth("MAIL_LINK_BASE", "https://app.example")
    }

    /// What has arrived so far for an address.
    fn mails_to(&self, to: &str) -> Vec<Value> {
        let lines = self.process.lines();
        let mails = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mails = mails.map(|line| line["mail"].clone()).filter(|mail| mail["to"][0] == to);
        mails.collect()
    }

    /// The mail with this subject for an address, once it has arrived.
    async fn mail(&self, to: &str, subject: &str) -> Value {
        eventually(&format!("{subject:?} arrives at {to}"), async || {
            self.mails_to(to).into_iter().find(|mail| mail["headers"]["subject"] == subject)
        })
        .await
    }

    async fn token(&self, to: &str, subject: &str) -> String {
        token_of(&self.mail(to, subject).await)
    }
}

const VERIFY: &str = "Confirm your e-mail address";
const RESET: &str = "Choose a new password";
const CHANGED: &str = "Your password was changed";
const EXISTS: &str = "You already have an account";
const NEW_LOGIN: &str = "New login to your account";

fn token_of(mail: &Value) -> String {
    let text = mail["text"].as_str().unwrap();
    let (_, rest) = text.split_once("#token=").unwrap_or_else(|| panic!("no link in {text}"));
    rest.lines().next().unwrap().trim().to_owned()
}

async fn register(client: &HttpClient, email: &str) -> Answer {
    client.post("/api/auth/register", &json!({"email": email, "password": PASSWORD})).await
}

async fn verify(client: &HttpClient, token: &str, password: &str) -> Answer {
    client.post("/api/auth/verify-email", &json!({"token": token, "password": password})).await
}

async fn forget(client: &HttpClient, email: &str) {
    client.post("/api/auth/forgot", &json!({"email": email})).await.expect(202);
}

async fn reset(client: &HttpClient, token: &str, password: &str) -> Answer {
    client.post("/api/auth/reset", &json!({"token": token, "newPassword": password})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_verified_by_the_link_in_the_mail_and_once() {
    let mail = MailServer::start(&[]).await;
    let stack = Stack::with(mail.options().auth("REQUIRE_VERIFIED_EMAIL", "true")).await;
    let ann = stack.visitor();
    let answer = register(&ann, "ann@shop.example").await.expect(202);
    assert!(answer.body.is_empty(), "{}", answer.text());
    let credentials = json!({"email": "ann@shop.example", "password": PASSWORD});
    let unverified = ann.post("/api/auth/login", &credentials).await.expect(403);
    assert_eq!(unverified.code(), "email_unverified");
    let wrong = json!({"email": "ann@shop.example", "password": "not her password"});
    assert_eq!(ann.post("/api/auth/login", &wrong).await.expect(401).code(), "invalid_credentials");

    let first = mail.mail("ann@shop.example", VERIFY).await;
    assert_eq!(first["headers"]["from"], "Bücher & Söhne <no-reply@shop.example>");
    assert!(first["html"].as_str().unwrap().contains(&token_of(&first)));
    let token = token_of(&first);
    ann.get(&format!("/api/auth/verify-email?token={token}")).await.expect(405);
    verify(&ann, &token, PASSWORD).await.expect(204);
    let again = verify(&ann, &token, PASSWORD).await.expect(403);
    assert_eq!(again.code(), "invalid_mail_token");
    let as_reset = reset(&ann, &token, NEW_PASSWORD).await.expect(403);
    assert_eq!(as_reset.code(), "invalid_mail_token", "a token is good for its purpose only");

    let ann = Actor::log_in(ann, "ann@shop.example").await;
    ann.client.post_empty("/api/auth/verify-email/resend").await.expect(202);
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    mail.mail("ann@shop.example", EXISTS).await;
    assert_eq!(mail.mails_to("ann@shop.example").len(), 2, "what is verified is not verified again");
    assert_nothing_told(&stack, &[&token]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_registers_a_strangers_address_is_not_let_in_by_its_owner() {
    let mail = MailServer::start(&[]).await;
    let stack = Stack::with(mail.options().auth("REQUIRE_VERIFIED_EMAIL", "true")).await;
    let (squatter, owner) = (stack.visitor(), stack.visitor());
    register(&squatter, "owner@shop.example").await.expect(202);
    let link = mail.token("owner@shop.example", VERIFY).await;
    // The owner takes it for a mail that they asked for, and has a password of their own in mind.
    let followed = verify(&owner, &link, NEW_PASSWORD).await.expect(403);
    assert_eq!(followed.code(), "wrong_password");
    let log_in = |password: &str| json!({"email": "owner@shop.example", "password": password});
    let refused = squatter.post("/api/auth/login", &log_in(PASSWORD)).await.expect(403);
    assert_eq!(refused.code(), "email_unverified");

    forget(&owner, "owner@shop.example").await;
    let reset_link = mail.token("owner@shop.example", RESET).await;
    reset(&owner, &reset_link, NEW_PASSWORD).await.expect(204);
    owner.post("/api/auth/login", &log_in(NEW_PASSWORD)).await.expect(200);
    squatter.post("/api/auth/login", &log_in(PASSWORD)).await.expect(401);
    assert_eq!(verify(&squatter, &link, PASSWORD).await.expect(403).code(), "invalid_mail_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_behind_a_link_are_counted_with_logins_and_leave_it_good() {
    let mail = MailServer::start(&[]).await;
    let stack = Stack::with(mail.options().auth("THROTTLE_ACCOUNT_ADDRESS", "3/1h")).await;
    let ann = stack.visitor();
    register(&ann, "ann@shop.example").await.expect(202);
    let link = mail.token("ann@shop.example", VERIFY).await;
    verify(&ann, &link, NEW_PASSWORD).await.expect(403);
    let guess = json!({"email": "ann@shop.example", "password": NEW_PASSWORD});
    HttpClient::new(stack.gateway_url(1)).post("/api/auth/login", &guess).await.expect(401);
    verify(&ann, &link, NEW_PASSWORD).await.expect(403);
    assert_eq!(verify(&ann, &link, PASSWORD).await.expect(429).code(), "too_many_attempts");
    eventually("the wait is over, and the link is good", async || {
        (verify(&ann, &link, PASSWORD).await.status == 204).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_replaced_and_ends_every_session() {
    let mail = MailServer::start(&[]).await;
    let stack = Stack::with(mail.options()).await;
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    let thief = Actor::log_in(stack.visitor(), "ann@shop.example").await;
    let ann = stack.visitor();
    forget(&ann, "ann@shop.example").await;
    let older = mail.token("ann@shop.example", RESET).await;
    forget(&ann, " ANN@shop.example").await;
    let newer = eventually("the second link arrives", async || {
        let mails = mail.mails_to("ann@shop.example");
        let mut tokens = mails.iter().filter(|mail| mail["headers"]["subject"] == RESET).map(token_of);
        tokens.find(|token| *token != older)
    })
    .await;
    forget(&ann, "nobody-knows@shop.example").await;

    assert_eq!(reset(&ann, &older, NEW_PASSWORD).await.expect(403).code(), "invalid_mail_token");
    let short = reset(&ann, &newer, "short").await.expect(422);
    assert_eq!(short.json()["errors"][0]["field"], "newPassword");
    assert_eq!(reset(&ann, &newer, "Ann@shop.example").await.expect(422).code(), "invalid_fields");
    reset(&ann, &newer, NEW_PASSWORD).await.expect(204);
    assert_eq!(reset(&ann, &newer, NEW_PASSWORD).await.expect(403).code(), "invalid_mail_token");

    assert_eq!(thief.refresh().await.expect(401).code(), "session_ended");
    eventually("the thief's access token is refused", async || {
        (thief.client.get("/api/orders").await.status == 401).then_some(())
    })
    .await;
    let old = json!({"email": "ann@shop.example", "password": PASSWORD});
    ann.post("/api/auth/login", &old).await.expect(401);
    let new = json!({"email": "ann@shop.example", "password": NEW_PASSWORD});
    ann.post("/api/auth/login", &new).await.expect(200);
    mail.mail("ann@shop.example", CHANGED).await;
    let database = stack.auth_database().await;
    let verified = "SELECT email_verified_at IS NOT NULL FROM users WHERE email = 'ann@shop.example'";
    assert!(database.query_one(verified, &[]).await.unwrap().get::<_, bool>(0), "she reads her mail");
    assert_nothing_told(&stack, &[&older, &newer]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_uses_of_a_link_over_two_replicas_one_succeeds() {
    let mail = MailServer::start(&[]).await;
    let stack = Stack::with(mail.options()).await;
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    forget(&stack.visitor(), "ann@shop.example").await;
    let verify = mail.token("ann@shop.example", VERIFY).await;
    let token = mail.token("ann@shop.example", RESET).await;
    let body = |_| json!({"token": verify, "password": PASSWORD});
    assert_one_of_a_hundred(race(&stack, "verify-email", body).await);
    let body = |number| json!({"token": token, "newPassword": format!("{NEW_PASSWORD} {number}")});
    assert_one_of_a_hundred(race(&stack, "reset", body).await);
    let database = stack.auth_database().await;
    let epoch = database.query_one("SELECT epoch FROM users", &[]).await.unwrap();
    assert_eq!(epoch.get::<_, i32>(0), 1, "the password was replaced once");
    let told = "SELECT count(*) FROM outbox WHERE kind = 'password_changed'";
    assert_eq!(database.query_one(told, &[]).await.unwrap().get::<_, i64>(0), 1);
}

/// Whoever found the hash threads too busy was sent away before the token was used.
fn assert_one_of_a_hundred(mut statuses: BTreeMap<u16, i32>) {
    let busy = statuses.remove(&503).unwrap_or_default();
    assert_eq!(statuses, BTreeMap::from([(204, 1), (403, 99 - busy)]), "and {busy} found no room");
}

/// A hundred posts at once, over both gateways and so over both auth services; how many got which status.
async fn race(stack: &Stack, path: &str, body: impl Fn(usize) -> Value) -> BTreeMap<u16, i32> {
    let attempts = (0..100).map(|number| {
        let client = HttpClient::new(stack.gateway_url(number % 2));
        let (path, body) = (format!("/api/auth/{path}"), body(number));
        tokio::spawn(async move { client.post(&path, &body).await.status.as_u16() })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut statuses = BTreeMap::new();
    for attempt in attempts {
        *statuses.entry(attempt.await.unwrap()).or_default() += 1;
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_for_its_server_and_is_tried_again() {
    let mut mail = MailServer::start(&[]).await;
    let mut stack = Stack::with(mail.options()).await;
    mail.process.kill();
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    metric(&stack, "auth_mails_total{kind=\"verify_email\",outcome=\"deferred\"}").await;
    // It waits in the database: no process has to live for it.
    for replica in 0..2 {
        stack.auth[replica].kill();
        stack.auth[replica] = stack.new_auth(replica);
    }
    stack.ready().await;
    mail.restart().await;
    mail.mail("ann@shop.example", VERIFY).await;

    register(&stack.visitor(), "busy@shop.example").await.expect(202);
    mail.mail("busy@shop.example", VERIFY).await;
    register(&stack.visitor(), "nobody@shop.example").await.expect(202);
    let database = stack.auth_database().await;
    let reason = eventually("the refused mail is given up", async || {
        let told =
            "SELECT detail->>'outcome', detail->>'reason' FROM audit_events WHERE kind = 'mail_not_sent'";
        database.query_opt(told, &[]).await.unwrap()
    })
    .await;
    assert_eq!((reason.get(0), reason.get(1)), ("refused", "550"));
    let left = "SELECT count(*) FROM outbox WHERE sealed IS NOT NULL OR settled_at IS NULL";
    assert_eq!(database.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0, "tokens go with their mail");
    let logs: Vec<_> = stack.auth.iter().flat_map(TestProcess::lines).collect();
    assert!(!logs.concat().contains("@shop.example"), "{logs:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_us_costs_nobody_their_mail() {
    let mut mail = MailServer::start(&["--refuse-sender"]).await;
    let stack = Stack::with(mail.options()).await;
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    metric(&stack, "auth_mails_total{kind=\"verify_email\",outcome=\"deferred\"}").await;
    mail.restart_with(&[]).await;
    mail.mail("ann@shop.example", VERIFY).await;
}

/// Waits until one of the auth services counts something.
async fn metric(stack: &Stack, line: &str) {
    eventually(line, async || {
        for replica in 0..2 {
            let text = stack.auth_admin(replica).get("/metrics").await.text();
            if text.lines().any(|counted| counted.starts_with(line)) {
                return Some(());
            }
        }
        None
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_send_each_mail_once() {
    let mail = MailServer::start(&[]).await;
    let options = mail.options();
    let stack = Stack::with(options).await;
    const PEOPLE: usize = 60;
    let registrations = (0..PEOPLE).map(|number| {
        let client = HttpClient::new(stack.gateway_url(number % 2));
        tokio::spawn(async move {
            register(&client, &format!("person{number}@shop.example")).await.expect(202);
        })
    });
    for registration in registrations.collect::<Vec<_>>() {
        registration.await.unwrap();
    }
    let database = stack.auth_database().await;
    settled(&database).await;
    for number in 0..PEOPLE {
        let to = format!("person{number}@shop.example");
        assert_eq!(mail.mails_to(&to).len(), 1, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_say_goodbye_has_the_mail_all_the_same() {
    let mail = MailServer::start(&[]).await;
    let stack = Stack::with(mail.options()).await;
    register(&stack.visitor(), "mute@shop.example").await.expect(202);
    mail.mail("mute@shop.example", VERIFY).await;
    settled(&stack.auth_database().await).await;
    assert_eq!(mail.mails_to("mute@shop.example").len(), 1);
}

async fn settled(database: &test_support::tokio_postgres::Client) {
    eventually("every mail is settled", async || {
        let waiting = "SELECT count(*) FROM outbox WHERE settled_at IS NULL";
        (database.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_finishes_and_one_that_is_killed_is_taken_over() {
    let mail = MailServer::start(&[]).await;
    let mut stack = Stack::with(mail.options()).await;
    let database = stack.auth_database().await;
    register(&stack.visitor(), "slow1@shop.example").await.expect(202);
    mail.process.line_with("slow1@shop.example").await;
    for replica in 0..2 {
        assert!(stack.auth[replica].stop().await.success());
        stack.auth[replica] = stack.new_auth(replica);
    }
    stack.ready().await;
    settled(&database).await;
    assert_eq!(mail.mails_to("slow1@shop.example").len(), 1, "it was on its way, and was noted");

    register(&stack.visitor(), "slow2@shop.example").await.expect(202);
    mail.process.line_with("slow2@shop.example").await;
    for replica in 0..2 {
        stack.auth[replica].kill();
        stack.auth[replica] = stack.new_auth(replica);
    }
    stack.ready().await;
    assert!(mail.mails_to("slow2@shop.example").is_empty(), "the server was left in the middle of it");
    // Three minutes of lease, in one step.
    let lapse = "UPDATE outbox SET due_at = due_at - interval '3 minutes' WHERE settled_at IS NULL";
    assert_eq!(database.execute(lapse, &[]).await.unwrap(), 1, "it is not lost");
    mail.mail("slow2@shop.example", VERIFY).await;
    settled(&database).await;
    assert_eq!(mail.mails_to("slow2@shop.example").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_in_other_scripts_get_their_mail() {
    let mail = MailServer::start(&[]).await;
    let stack = Stack::with(mail.options()).await;
    register(&stack.visitor(), "ann@bücher.example").await.expect(202);
    let ascii = mail.mail("ann@xn--bcher-kva.example", VERIFY).await;
    assert!(ascii["text"].as_str().unwrap().contains("ann@bücher.example"), "{ascii}");
    register(&stack.visitor(), "änne@shop.example").await.expect(202);
    mail.mail("änne@shop.example", VERIFY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_in_the_clear_where_tls_is_required() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(path("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let (plain, tls) = (
        MailServer::start(&[]).await,
        MailServer::start(&["--tls", &path("cert.pem"), &path("key.pem")]).await,
    );
    let options = |server: &MailServer| {
        let url = format!("smtp://localhost:{}?tls=required", server.port);
        server.options().auth("MAIL_SMTP_URL", url).auth("SSL_CERT_FILE", path("cert.pem"))
    };
    let stack = Stack::with(options(&plain)).await;
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    metric(&stack, "auth_mails_total{kind=\"verify_email\",outcome=\"deferred\"}").await;
    assert!(plain.mails_to("ann@shop.example").is_empty());
    let stack = Stack::with(options(&tls)).await;
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    assert_eq!(tls.mail("ann@shop.example", VERIFY).await["tls"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_from_elsewhere_is_told_and_the_first_one_is_not() {
    let mail = MailServer::start(&[]).await;
    let options = mail.options();
    let stack = Stack::with(options).await;
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    let link = mail.token("ann@shop.example", VERIFY).await;
    verify(&stack.visitor(), &link, PASSWORD).await.expect(204);
    for _ in 0..2 {
        Actor::log_in(stack.visitor(), "ann@shop.example").await;
    }
    let database = stack.auth_database().await;
    let news = "SELECT count(*) FROM outbox WHERE kind = 'new_device'";
    assert_eq!(database.query_one(news, &[]).await.unwrap().get::<_, i64>(0), 0);
    // As if those had come from elsewhere.
    let elsewhere = "UPDATE login_addresses SET address = decode(md5('elsewhere'), 'hex')";
    assert_eq!(database.execute(elsewhere, &[]).await.unwrap(), 1);
    Actor::log_in(stack.visitor(), "ann@shop.example").await;
    let told = mail.mail("ann@shop.example", NEW_LOGIN).await;
    assert!(told["text"].as_str().unwrap().contains("Address: 127.0.0.1"), "{told}");
    Actor::log_in(stack.visitor(), "ann@shop.example").await;
    assert_eq!(database.query_one(news, &[]).await.unwrap().get::<_, i64>(0), 1, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mail_an_operator_makes_the_link() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    let client = stack.visitor();
    let forgot = client.post("/api/auth/forgot", &json!({"email": ann.email})).await.expect(404);
    assert_eq!(forgot.code(), "mail_not_configured");
    assert_eq!(
        ann.client.post_empty("/api/auth/verify-email/resend").await.expect(404).code(),
        "mail_not_configured"
    );
    let link = stack.auth_command(&["users", "reset-link", "Ann@shop.example"], "");
    let token = link.trim().strip_prefix("http://localhost:3000/reset-password#token=").unwrap();
    let newer = stack.auth_command(&["users", "reset-link", &ann.email], "");
    assert_eq!(reset(&client, token, NEW_PASSWORD).await.expect(403).code(), "invalid_mail_token");
    let token = newer.trim().split_once("#token=").unwrap().1;
    reset(&client, token, NEW_PASSWORD).await.expect(204);
    assert_eq!(ann.refresh().await.expect(401).code(), "session_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_cannot_reset_itself_back_to_life() {
    let mail = MailServer::start(&[]).await;
    let stack = Stack::with(mail.options()).await;
    let admin = stack.admin("root").await;
    let ann = stack.visitor();
    register(&ann, "ann@shop.example").await.expect(202);
    forget(&ann, "ann@shop.example").await;
    let token = mail.token("ann@shop.example", RESET).await;
    let id = Actor::log_in(stack.visitor(), "ann@shop.example").await.login["user"]["id"].clone();
    let path = format!("/api/admin/users/{}", id.as_str().unwrap());
    admin.client.patch(&path, &json!({"status": "disabled"})).await.expect(200);
    reset(&ann, &token, NEW_PASSWORD).await.expect(403);
    forget(&ann, "ann@shop.example").await;
    admin.client.patch(&path, &json!({"status": "active"})).await.expect(200);
    reset(&ann, &token, NEW_PASSWORD).await.expect(403);
    let made = "SELECT count(*) FROM outbox WHERE kind = 'reset_password'";
    let database = stack.auth_database().await;
    assert_eq!(database.query_one(made, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mailbox_of_development_shows_what_would_have_been_sent() {
    let stack = Stack::with(Options::default().auth("MAIL_SMTP_URL", "mailbox:")).await;
    register(&stack.visitor(), "ann@shop.example").await.expect(202);
    for replica in 0..2 {
        let admin = stack.auth_admin(replica);
        let mail = eventually("the mail is in the mailbox", async || {
            let mailbox = admin.get("/mailbox.json").await.expect(200).json();
            mailbox["items"].as_array().unwrap().first().cloned()
        })
        .await;
        assert_eq!((&mail["to"], &mail["kind"]), (&"ann@shop.example".into(), &"verify_email".into()));
        let page = admin.get("/mailbox").await.expect(200).text();
        assert!(page.contains(&token_of(&mail)), "{page}");
        if replica == 1 {
            verify(&stack.visitor(), &token_of(&mail), PASSWORD).await.expect(204);
        }
    }
    stack.visitor().get("/mailbox").await.expect(404);
}

/// No token stands in a log, or anywhere in the database.
fn assert_nothing_told(stack: &Stack, tokens: &[&str]) {
    let processes = stack.auth.iter().chain(&stack.gateways);
    let lines: Vec<_> = processes.flat_map(TestProcess::lines).collect();
    for token in tokens {
        assert!(!lines.concat().contains(token), "a token is in the logs");
    }
}
