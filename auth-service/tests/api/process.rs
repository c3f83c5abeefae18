//! The real binary: its commands, its start, its end.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use process::Mode;
use serde_json::{Value, json};
use test_support::{TestDatabase, eventually};

use crate::support::{
    Environment, Events, FEED, PASSWORD, Service, complaint, environment, migrated_database, run, stdout,
};

fn login_of(email: &str, password: &str) -> Request<String> {
    Request::post("/api/auth/login")
        .header("content-type", "application/json")
        .body(json!({"email": email, "password": password}).to_string())
        .unwrap()
}

/// An administrator in a database, made on the command line.
fn make_user(environment: &Environment, arguments: &[&str]) -> String {
    let arguments: Vec<_> = ["users", "create"].iter().chain(arguments).copied().collect();
    let output = run(&arguments, environment, &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    stdout(&output).trim().to_owned()
}

#[tokio::test]
async fn check_config_says_ok_or_everything_that_is_wrong() {
    let database = TestDatabase::empty().await;
    let good = environment(Mode::Production, &database, &[]);
    assert_eq!(stdout(&run(&["check-config"], &good, "")), "OK (production)\n");

    let complaint = complaint(&run(&["check-config"], &Environment::new(), ""));
    for name in ["DATABASE_URL", "JWT_SECRET", "JWT_ISSUER", "ALLOWED_ORIGINS", "IDENTITY_KEY"] {
        assert!(complaint.contains(name), "{complaint}");
    }
    assert!(complaint.contains("openssl rand -base64 32"), "{complaint}");
}

#[tokio::test]
async fn what_only_development_may_do_is_refused_at_start() {
    let database = migrated_database().await;
    for (name, value) in
        [("ALLOW_BOOTSTRAP", "true"), ("COOKIE_SECURE", "false"), ("JWT_SECRET", "change-me")]
    {
        let environment = environment(Mode::Production, &database, &[(name, value)]);
        let complaint = complaint(&run(&["serve"], &environment, ""));
        assert!(complaint.contains(name) && !complaint.contains("change-me"), "{complaint}");
    }
}

#[tokio::test]
async fn migrate_plans_applies_and_has_nothing_left_to_do() {
    let database = TestDatabase::empty().await;
    let environment = environment(Mode::Production, &database, &[]);
    let planned = stdout(&run(&["migrate", "--plan"], &environment, ""));
    assert!(
        planned.lines().count() > 1 && planned.lines().all(|line| line.starts_with("pending ")),
        "{planned}"
    );
    let applied = stdout(&run(&["migrate"], &environment, ""));
    assert_eq!(applied.replace("applied ", "pending "), planned);
    for again in [&["migrate"][..], &["migrate", "--plan"]] {
        assert_eq!(stdout(&run(again, &environment, "")), "the database is up to date\n");
    }
}

#[tokio::test]
async fn migrate_does_not_wait_for_long_for_who_uses_a_table_and_can_be_run_again() {
    let database = TestDatabase::empty().await;
    let environment = environment(Mode::Production, &database, &[]);
    let busy = database.client().await;
    busy.batch_execute("BEGIN; CREATE TABLE users ()").await.unwrap();
    let migrate = {
        let environment = environment.clone();
        tokio::task::spawn_blocking(move || run(&["migrate"], &environment, ""))
    };
    let given_up = tokio::time::timeout(Duration::from_secs(15), migrate).await;
    busy.batch_execute("ROLLBACK").await.unwrap();
    let complaint = complaint(&given_up.expect("it gave up").unwrap());
    assert!(complaint.contains("lock timeout"), "{complaint}");
    assert!(stdout(&run(&["migrate"], &environment, "")).starts_with("applied "));
}

#[tokio::test]
async fn production_does_not_serve_on_an_old_schema() {
    let database = TestDatabase::empty().await;
    let environment = environment(
        Mode::Production,
        &database,
        &[("LISTEN", "127.0.0.1:0"), ("ADMIN_LISTEN", "127.0.0.1:0")],
    );
    let complaint = complaint(&run(&["serve"], &environment, ""));
    assert!(complaint.contains("auth-service migrate"), "{complaint}");
}

#[tokio::test]
async fn production_does_not_serve_while_a_demo_administrator_exists() {
    let database = migrated_database().await;
    let environment = environment(
        Mode::Production,
        &database,
        &[("LISTEN", "127.0.0.1:0"), ("ADMIN_LISTEN", "127.0.0.1:0")],
    );
    make_user(&environment, &["--email", "demo@example.com", "--role", "ADMIN", "--demo"]);
    let complaint = complaint(&run(&["serve"], &environment, ""));
    assert!(complaint.contains("a demo administrator exists"), "{complaint}");
}

#[tokio::test]
async fn users_are_made_and_listed() {
    let database = migrated_database().await;
    let environment = environment(Mode::Production, &database, &[]);
    let root = make_user(&environment, &["--email", " Root@Example.com", "--role", "ADMIN"]);
    let ann = make_user(&environment, &["--email", "ann@example.com"]);
    let listed = stdout(&run(&["users", "list"], &environment, ""));
    assert_eq!(
        listed,
        format!("{ann}\tann@example.com\tUSER\tactive\n{root}\troot@example.com\tADMIN\tactive\n")
    );

    let check = |arguments: &[&str], password: &str, expected: &str| {
        let arguments: Vec<_> = ["users", "create"].iter().chain(arguments).copied().collect();
        let complaint = complaint(&run(&arguments, &environment, password));
        assert!(complaint.contains(expected), "{complaint}");
    };
    check(&["--email", "ann@example.com"], PASSWORD, "has an account already");
    check(&["--email", "ann@example.com", "--demo"], PASSWORD, "has an account already");
    check(
        &["--email", "bob"],
        "short",
        "the e-mail address must look like name@example.com; the password must be at least 12 bytes",
    );
    check(&["--email", "bob@example.com"], "", "the password must be at least 12 bytes");
    check(&["--email", "bob@example.com", "--role", "ROOT"], PASSWORD, "ADMIN and USER are");
    assert_eq!(stdout(&run(&["users", "list"], &environment, "")), listed);
}

#[tokio::test]
async fn development_migrates_by_itself_and_prints_a_bootstrap_token() {
    let database = TestDatabase::empty().await;
    let service = Service::start(environment(Mode::Development, &database, &[])).ready().await;
    let line = service.process.line_with("bootstrap token: ").await;
    let token = line.rsplit(' ').next().unwrap();
    let body = json!({"token": token, "email": "root@example.com", "password": PASSWORD});
    let request = Request::post("/api/auth/bootstrap").header("content-type", "application/json");
    let answer = service.send(request.body(body.to_string()).unwrap()).await;
    assert_eq!(answer.status(), 201);
}

#[tokio::test]
async fn a_login_in_flight_is_finished_before_the_end() {
    let database = migrated_database().await;
    let environment = environment(Mode::Production, &database, &[("BCRYPT_COST", "13")]);
    make_user(&environment, &["--email", "ann@example.com"]);
    let mut service = Service::start(environment).ready().await;
    let stopping = async {
        eventually("the login is being hashed", async || {
            let (_, metrics) = service.private("/metrics").await?;
            metrics.contains("auth_hashes_running 1").then_some(())
        })
        .await;
        service.process.terminate();
    };
    let (answer, ()) = tokio::join!(service.send(login_of("ann@example.com", PASSWORD)), stopping);
    assert_eq!(answer.status(), 200);
    assert!(service.process.ended().await.success());
}

#[tokio::test]
async fn a_stream_of_revocations_does_not_hold_up_the_end() {
    let database = migrated_database().await;
    let mut service = Service::start(environment(Mode::Production, &database, &[])).ready().await;
    let answer = service.ask(Request::get(FEED).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 200);
    let mut events = Events::new(Box::pin(answer.bytes_stream()));
    // Longer than the deadline of a request's head would let it live, were the stream under it.
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_secs(11) {
        events.event().await.expect("a heartbeat");
    }
    service.process.terminate();
    let stopping = Instant::now();
    while events.event().await.is_some() {}
    assert!(service.process.ended().await.success());
    assert!(stopping.elapsed() < Duration::from_secs(10), "it took {:?}", stopping.elapsed());
}

#[tokio::test]
async fn a_password_whose_client_has_gone_is_not_hashed() {
    let database = migrated_database().await;
    let slow = [("BCRYPT_COST", "13"), ("HASH_THREADS", "1"), ("HASH_QUEUE_DEADLINE", "1m")];
    let service = Service::start(environment(Mode::Production, &database, &slow)).ready().await;
    let shows = async |what: &str| {
        let (_, metrics) = service.private("/metrics").await?;
        metrics.contains(what).then_some(())
    };
    let impatient = async {
        eventually("the thread is busy", async || shows("auth_hashes_running 1").await).await;
        tokio::select! {
            _ = service.try_send(login_of("bob@example.com", PASSWORD)) => panic!("the thread was busy"),
            () = eventually("the login waits", async || shows("auth_hash_queue_waiting 1").await) => {}
        }
    };
    let (answer, ()) = tokio::join!(service.send(login_of("ann@example.com", PASSWORD)), impatient);
    assert_eq!(answer.status(), 401);
    eventually("the job is dropped", async || shows("auth_hashes_abandoned_total 1").await).await;
    shows("auth_hashes_total 1").await.unwrap();
}

#[tokio::test]
async fn production_logs_are_json_and_tell_no_secrets() {
    let database = migrated_database().await;
    let environment = environment(Mode::Production, &database, &[("LOG", "debug")]);
    make_user(&environment, &["--email", "ann@example.com"]);
    let mut service = Service::start(environment).ready().await;
    let answer = service.send(login_of("ann@example.com", PASSWORD)).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    let value = cookie.split([';', '=']).nth(1).unwrap().to_owned();
    let access_token = answer.json::<Value>().await.unwrap()["accessToken"].as_str().unwrap().to_owned();
    let refresh = Request::post("/api/auth/refresh")
        .header("cookie", format!("__Host-refresh_token={value}"))
        .header("origin", "https://shop.example");
    assert_eq!(service.send(refresh.body(String::new()).unwrap()).await.status(), 200);
    assert_eq!(service.send(login_of("ann@example.com", "a-wrong-guess-of-hers")).await.status(), 401);
    service.process.line_with("/api/auth/refresh").await;
    service.process.stop().await;

    let lines = service.process.lines();
    for line in &lines {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "no JSON: {line}");
        for secret in ["ann@example.com", PASSWORD, "a-wrong-guess", &value, &access_token, "$2b$"] {
            assert!(!line.contains(secret), "{secret} stands in {line}");
        }
    }
    assert!(lines.iter().any(|line| line.contains("listening")), "{lines:?}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let database = migrated_database().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let environment =
        environment(Mode::Production, &database, &[("LISTEN", &address), ("ADMIN_LISTEN", "127.0.0.1:0")]);
    let complaint = complaint(&run(&["serve"], &environment, ""));
    assert!(complaint.contains(&format!("LISTEN={address}")), "{complaint}");
}
