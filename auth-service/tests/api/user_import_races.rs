//! Imports that are cut off, that meet each other, and that meet people who register.

use std::io::Write as _;
use std::process::Stdio;

use process::Mode;
use serde_json::json;
use test_support::eventually;

use crate::support::{
    Environment, PASSWORD, TestApp, command, count_users, email_of, environment, import, lines,
};

const LINES: u32 = 5_000;

async fn app() -> (TestApp, Environment) {
    let app = TestApp::start().await;
    let environment = environment(Mode::Production, &app.database, &[]);
    (app, environment)
}

/// Every account there is, as text.
async fn all(app: &TestApp) -> Vec<String> {
    let query = "SELECT users::text FROM users ORDER BY id";
    app.sql().await.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn an_import_that_was_killed_is_gone_on_with_by_the_same_command() {
    let (app, environment) = app().await;
    let file = lines(LINES);
    let mut child = command(&["users", "import", "-"], &environment).stdin(Stdio::piped()).spawn().unwrap();
    // It waits for the rest of a batch, with others written and perhaps one under way.
    let half = file.lines().take(2_500).map(|line| format!("{line}\n")).collect::<String>();
    child.stdin.as_mut().unwrap().write_all(half.as_bytes()).unwrap();
    let before = eventually("a batch is written", async || {
        let count = count_users(&app).await;
        (count > 0).then_some(count)
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(before % 1_000, 0);

    let rest = import(&environment, &[], &file);
    assert_eq!((rest.code, rest.count("imported") + rest.count("unchanged")), (Some(0), u64::from(LINES)));
    assert!(rest.count("unchanged") >= before.unsigned_abs(), "{}", rest.summary);
    let (undisturbed, environment) = self::app().await;
    import(&environment, &[], &file);
    assert_eq!(all(&app).await, all(&undisturbed).await);
}

#[tokio::test]
async fn two_imports_of_one_file_make_each_account_once() {
    let (app, environment) = app().await;
    let file = lines(LINES);
    let imports = [file.clone(), file].map(|file| {
        let environment = environment.clone();
        tokio::task::spawn_blocking(move || import(&environment, &[], &file))
    });
    let mut made = 0;
    for imported in imports {
        let imported = imported.await.unwrap();
        assert_eq!((imported.code, imported.entries().len()), (Some(0), 0), "{imported:?}");
        assert_eq!(imported.count("imported") + imported.count("unchanged"), u64::from(LINES));
        made += imported.count("imported");
    }
    assert_eq!(made, u64::from(LINES));
    assert_eq!(count_users(&app).await, i64::from(LINES));
}

#[tokio::test]
async fn two_imports_of_the_same_people_in_another_order_wait_for_each_other_and_not_for_ever() {
    let (app, environment) = app().await;
    let file = lines(1_000);
    let backwards: String = file.lines().rev().map(|line| format!("{line}\n")).collect();
    // Somebody in the middle is just being made, so both are under way until that is decided.
    let (sql, watching) = (app.sql().await, app.sql().await);
    let make = "BEGIN; INSERT INTO users (id, email, password_hash, role)
                VALUES (gen_random_uuid(), 'user500@example.com', '!', 'USER')";
    sql.batch_execute(make).await.unwrap();
    let imports = [file, backwards].map(|file| {
        let environment = environment.clone();
        tokio::task::spawn_blocking(move || import(&environment, &[], &file))
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("both wait", async || {
        (watching.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 2).then_some(())
    })
    .await;
    sql.batch_execute("ROLLBACK").await.unwrap();
    for imported in imports {
        let imported = imported.await.unwrap();
        assert_eq!((imported.code, imported.entries().len()), (Some(0), 0), "{imported:?}");
    }
    assert_eq!(count_users(&app).await, 1_000);
}

#[tokio::test]
async fn who_registers_meanwhile_keeps_the_account_and_the_password() {
    let (app, environment) = app().await;
    let file = lines(LINES);
    let importing = {
        let environment = environment.clone();
        tokio::task::spawn_blocking(move || import(&environment, &[], &file))
    };
    let mut registered = Vec::new();
    // Wherever the import is by now, some are before it and some behind.
    for number in (1..=LINES).rev().step_by(100) {
        let name = format!("user{number}");
        let account = json!({"email": email_of(&name), "password": PASSWORD});
        let reply = app.visitor().post("/api/auth/register", &account).await;
        match reply.status.as_u16() {
            201 => registered.push(name),
            _ => drop(reply.refused(409, "email_taken")),
        }
    }
    let imported = importing.await.unwrap();
    assert_eq!(count_users(&app).await, i64::from(LINES));
    assert_eq!((imported.code, imported.count("exists")), (Some(0), registered.len() as u64));
    assert!(!registered.is_empty());
    for name in registered {
        app.visitor().log_in(&name).await.expect(200);
    }
}
