//! `users …`: the rules of `/api/admin/users` on the command line, with the real binary.

use process::Mode;
use serde_json::{Value, json};

use crate::support::{Environment, PASSWORD, TestApp, complaint, environment, run, stdout};

/// A service, and how to run commands at its database.
async fn app() -> (TestApp, Environment) {
    let app = TestApp::start().await;
    let environment = environment(Mode::Production, &app.database, &[]);
    (app, environment)
}

/// What a command prints; it must succeed.
#[track_caller]
fn done(environment: &Environment, arguments: &[&str]) -> String {
    let arguments: Vec<_> = ["users"].iter().chain(arguments).copied().collect();
    let output = run(&arguments, environment, "");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    stdout(&output)
}

/// A command that must fail with this code, saying this.
#[track_caller]
fn refused(environment: &Environment, arguments: &[&str], code: i32, expected: &str) {
    let arguments: Vec<_> = ["users"].iter().chain(arguments).copied().collect();
    let output = run(&arguments, environment, "");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    let complaint = complaint(&output);
    assert!(complaint.contains(expected) && output.stdout.is_empty(), "{complaint}");
}

#[tokio::test]
async fn an_account_is_changed_by_address_or_id_and_what_was_issued_is_refused() {
    let (app, environment) = app().await;
    let _root = app.admin("root").await;
    let mut ann = app.registered("ann").await;
    let claims = app.verify(&ann.log_in("ann").await.expect(200).text("accessToken")).await;
    let id = ann.identity.user.clone();

    let line = |role: &str, status: &str| format!("{id}\tann@example.com\t{role}\t{status}\n");
    assert_eq!(done(&environment, &["set-role", " Ann@Example.com", "ADMIN"]), line("ADMIN", "active"));
    assert!(!app.is_accepted(&claims).await);
    ann.refresh().await.refused(401, "session_ended");
    let audited = app.audited("account_changed").await;
    assert_eq!((&audited["user_id"], &audited["actor_id"]), (&json!(id), &Value::Null));
    assert_eq!(
        (&audited["detail"]["by"], &audited["detail"]["role"]["to"]),
        (&json!("operator"), &json!("ADMIN"))
    );

    assert_eq!(done(&environment, &["disable", &id]), line("ADMIN", "disabled"));
    app.visitor().log_in("ann").await.refused(403, "account_disabled");
    assert_eq!(done(&environment, &["enable", &id]), line("ADMIN", "active"));
    ann.log_in("ann").await.expect(200);
    assert_eq!(done(&environment, &["end-sessions", &id]), line("ADMIN", "active"));
    ann.refresh().await.refused(401, "session_ended");
    assert_eq!(app.ends(&id).await.last().unwrap().as_deref(), Some("ended_by_admin"));
    assert_eq!(done(&environment, &["delete", "ann@example.com"]), line("ADMIN", "active"));
    app.visitor().log_in("ann").await.refused(401, "invalid_credentials");
    assert_eq!(app.audited("account_deleted").await["detail"]["was"]["email"], "ann@example.com");
    refused(&environment, &["delete", &id], 3, "there is no such account");
}

#[tokio::test]
async fn a_revocation_outlives_every_token_there_can_be() {
    let (app, environment) = app().await;
    let ann = app.customer("ann").await;
    done(&environment, &["end-sessions", &ann.identity.user]);
    let early = "SELECT count(*) FROM revocations WHERE expires_at < now() + interval '1 day'";
    assert_eq!(app.sql().await.query_one(early, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let (app, environment) = app().await;
    let (root, eve) = (app.admin("root").await, app.admin("eve").await);
    done(&environment, &["disable", &eve.identity.user]);
    let root = root.identity.user.as_str();
    for command in [&["set-role", root, "USER"][..], &["disable", root], &["delete", root]] {
        refused(&environment, command, 4, "this is the last administrator");
    }
    done(&environment, &["set-role", root, "ADMIN"]);
    done(&environment, &["delete", &eve.identity.user]);
    refused(&environment, &["delete", root], 4, "this is the last administrator");
}

#[tokio::test]
async fn accounts_are_listed_and_shown_for_people_and_for_programs() {
    let (app, environment) = app().await;
    let (root, ann) = (app.admin("root").await, app.customer("ann").await);
    let (root, ann) = (&root.identity.user, &ann.identity.user);
    let line = |id: &str, name: &str, role: &str| format!("{id}\t{name}@example.com\t{role}\tactive\n");
    assert_eq!(done(&environment, &["list"]), line(ann, "ann", "USER") + &line(root, "root", "ADMIN"));
    assert_eq!(done(&environment, &["list", "@exam", "--role", "ADMIN"]), line(root, "root", "ADMIN"));
    assert_eq!(done(&environment, &["list", "ro", "--status", "disabled"]), "");
    let listed: Value = serde_json::from_str(&done(&environment, &["list", ann, "--json"])).unwrap();
    assert_eq!((&listed["id"], &listed["email"]), (&json!(ann), &json!("ann@example.com")));

    let shown = done(&environment, &["show", "ann@example.com"]);
    assert!(shown.contains("sessions\t1\n") && shown.contains(&format!("id\t{ann}\n")), "{shown}");
    let shown: Value = serde_json::from_str(&done(&environment, &["show", ann, "--json"])).unwrap();
    assert_eq!((&shown["user"], &shown["sessions"]), (&listed, &json!(1)));
    assert_eq!((&shown["emailVerified"], &shown["secondFactor"]), (&json!(false), &json!(false)));
    let changed: Value = serde_json::from_str(&done(&environment, &["enable", ann, "--json"])).unwrap();
    assert_eq!(changed, json!({"user": listed}));

    refused(&environment, &["show", "bob@example.com"], 3, "there is no such account");
    refused(&environment, &["show", "bob"], 2, "must look like name@example.com; or give an id");
    refused(&environment, &["list", "@"], 2, "q must be");
    refused(&environment, &["set-role", ann, "ROOT"], 2, "ADMIN and USER are");
}

#[tokio::test]
async fn an_account_that_is_not_marked_is_not_made() {
    let (app, environment) = app().await;
    // The mark fails, after the account was inserted.
    app.sql().await.batch_execute("ALTER TABLE demo_accounts ADD CHECK (false)").await.unwrap();
    let create = ["users", "create", "--email", "demo@example.com", "--demo"];
    complaint(&run(&create, &environment, PASSWORD));
    let users = "SELECT count(*) FROM users";
    assert_eq!(app.sql().await.query_one(users, &[]).await.unwrap().get::<_, i64>(0), 0);
    let taken = ["users", "create", "--email", "ann@example.com", "--json"];
    let made: Value = serde_json::from_str(&stdout(&run(&taken, &environment, PASSWORD))).unwrap();
    assert_eq!((&made["user"]["email"], &made["user"]["role"]), (&json!("ann@example.com"), &json!("USER")));
    assert_eq!(run(&taken, &environment, PASSWORD).status.code(), Some(4));
}

#[tokio::test]
async fn a_second_factor_is_reset_by_id_or_address_and_a_link_is_made() {
    let app = TestApp::start().await;
    let frontend = [("MAIL_LINK_BASE", "https://app.example")];
    let environment = environment(Mode::Production, &app.database, &frontend);
    let (ann, _) = app.careful_customer("ann").await;
    let id = ann.identity.user.as_str();
    let shown: Value = serde_json::from_str(&done(&environment, &["show", id, "--json"])).unwrap();
    assert_eq!(shown["secondFactor"], true);
    let reset: Value =
        serde_json::from_str(&done(&environment, &["reset-second-factor", id, "--json"])).unwrap();
    assert_eq!(reset["user"]["id"], id);
    refused(&environment, &["reset-second-factor", "ann@example.com"], 1, "has no second factor");
    refused(&environment, &["reset-second-factor", "bob@example.com"], 3, "there is no such account");

    assert!(done(&environment, &["reset-link", "ann@example.com"]).contains("#token="));
    refused(&environment, &["reset-link", "bob@example.com"], 3, "there is no such account");
}
