//! `users import`, with the real binary: who comes from another system, and what is said of every line.

use std::time::Duration;

use auth_service::accounts::Email;
use auth_service::db::mail_tokens;
use auth_service::mail::MailToken;
use process::Mode;
use serde_json::{Value, json};

use crate::support::{
    Environment, PASSWORD, TestApp, complaint, count_users, email_of, environment, import, line, lines, run,
};

/// Hashes of [`PASSWORD`]: by Python's bcrypt 5.0 as `$2a$` and `$2b$`, by `htpasswd -B` of Apache 2.4 as `$2y$`, which is
/// how PHP writes them.
const FOREIGN: [(&str, &str); 3] = [
    ("ann", "$2a$04$aC6AZMB4V5R33yLJ4lrMmuWDACY642MYsLSGSDTgnX.TjiJ.38RHm"),
    ("bob", "$2b$04$yHmHsnEShGQZ0b5WVR9zj.nLs7/Q7VP0jrWYGzDCEzvtEwDkSUKxa"),
    ("eve", "$2y$04$qASuebsFmzlzDNXZ8Yg.FuBZGXOtnCoIapc27sUWGQ.I03RixIPPa"),
];
const NEW: &str = "candle-3-rain-door";

async fn app(changes: &[(&str, &str)]) -> (TestApp, Environment) {
    let app = TestApp::start_with(changes).await;
    let environment = environment(Mode::Production, &app.database, &[]);
    (app, environment)
}

async fn stored_hash(app: &TestApp, name: &str) -> String {
    let query = "SELECT password_hash FROM users WHERE email = $1";
    app.sql().await.query_one(query, &[&email_of(name)]).await.unwrap().get(0)
}

#[tokio::test]
async fn people_log_in_with_the_passwords_they_had_and_get_a_better_hash_by_it() {
    let (app, environment) = app(&[("BCRYPT_COST", "5")]).await;
    let file: String =
        FOREIGN.iter().map(|(name, hash)| line(name, &json!({"passwordHash": hash}))).collect();
    let imported = import(&environment, &[], &file);
    assert_eq!((imported.code, imported.count("imported")), (Some(0), 3));
    assert!(imported.report.is_empty(), "{:?}", imported.report);
    for (name, hash) in FOREIGN {
        assert_eq!(stored_hash(&app, name).await, hash);
        app.visitor().log_in_with(name, "kettle-7-fog-lamb").await.refused(401, "invalid_credentials");
        let mut owner = app.visitor();
        owner.log_in(name).await.expect(200);
        assert!(stored_hash(&app, name).await.starts_with("$2b$05$"));
        owner.log_in(name).await.expect(200);
    }
}

#[tokio::test]
async fn everything_that_is_told_of_an_account_is_kept() {
    let (app, environment) = app(&[]).await;
    let id = "6c1e4d2a-1111-4222-8333-000000000001";
    let ann = json!({
        "id": id.to_uppercase(), "passwordHash": FOREIGN[1].1, "createdAt": "2019-05-06T07:08:09.123456+02:00",
        "emailVerifiedAt": "2019-05-07T00:00:00Z",
    });
    let bob = json!({"status": "disabled", "emailVerified": true, "passwordHash": FOREIGN[1].1});
    let eve = json!({"createdAt": "2019-05-06T00:00:00Z", "demo": true});
    let file = line("ann", &ann) + "\n" + &line(" Bob", &bob) + &line("eve", &eve);
    let imported = import(&environment, &[], &file);
    assert_eq!((imported.code, imported.count("lines"), imported.count("withoutPassword")), (Some(0), 3, 1));

    let mut owner = app.visitor();
    owner.log_in("ann").await.expect(200);
    assert_eq!(owner.identity.user, id);
    let me = owner.get("/api/auth/me").await.expect(200).json();
    assert_eq!((&me["user"]["id"], &me["user"]["role"]), (&json!(id), &json!("USER")));
    app.visitor().log_in("bob").await.refused(403, "account_disabled");
    let row = "SELECT to_jsonb(users) - 'password_hash' || jsonb_build_object('demo', EXISTS (
                   SELECT FROM demo_accounts WHERE user_id = users.id)) FROM users WHERE email = $1";
    let row = format!("SELECT ({row})::text");
    let sql = app.sql().await;
    let stored = async |name: &str| -> Value {
        serde_json::from_str(sql.query_one(&row, &[&email_of(name)]).await.unwrap().get(0)).unwrap()
    };
    let ann = stored("ann").await;
    assert_eq!(ann["created_at"], "2019-05-06T05:08:09.123456+00:00");
    assert_eq!(ann["email_verified_at"], "2019-05-07T00:00:00+00:00");
    assert!(stored("bob").await["email_verified_at"].is_string());
    let eve = stored("eve").await;
    assert_eq!((&eve["demo"], &eve["email_verified_at"]), (&json!(true), &Value::Null));
    // An id that nobody gave sorts by when the account was made.
    assert!(eve["id"].as_str().unwrap().starts_with("016a8"), "{eve}");
}

#[tokio::test]
async fn who_comes_without_a_password_chooses_one_by_a_link() {
    let (app, environment) = app(&[]).await;
    import(&environment, &[], &line("ann", &json!({})));
    let mut ann = app.visitor();
    for guess in ["!", "", PASSWORD] {
        ann.log_in_with("ann", guess).await.refused(401, "invalid_credentials");
    }
    let token = MailToken::generate().unwrap();
    let (email, lifetime) = (Email::parse(&email_of("ann")).unwrap(), Duration::from_secs(60));
    assert!(mail_tokens::make_for_operator(&app.app.database, &email, token.hash(), lifetime).await.unwrap());
    let body = json!({"token": token.expose(), "newPassword": NEW});
    ann.post("/api/auth/reset", &body).await.expect(204);
    ann.log_in_with("ann", NEW).await.expect(200);
}

/// Everything that can be said of a line, and what is to be said of it.
fn mixed() -> (String, Vec<String>) {
    let cases = [
        (line("ann", &json!({"passwordHash": FOREIGN[0].1})), ""),
        ("{\"email\":\n".to_owned(), "refused invalid_json"),
        (line("ann", &json!({"passwordHash": FOREIGN[1].1})), "exists email_taken"),
        (line("bob", &json!({"passwordhash": FOREIGN[1].1})), "refused invalid_fields"),
        (line("bob", &json!({"passwordHash": "$1$secret$x"})), "refused invalid_password_hash"),
        (
            line("bob", &json!({"passwordHash": FOREIGN[1].1.replace("$04$", "$31$")})),
            "refused invalid_password_hash",
        ),
        ("{\"email\":\"bob\"}\n".to_owned(), "refused invalid_email"),
        (line("bob", &json!({"role": "ADMIN"})), "refused admin_not_allowed"),
        (line("bob", &json!({"role": "root"})), "refused invalid_role"),
        (line("bob", &json!({"status": "gone"})), "refused invalid_status"),
        (line("bob", &json!({"id": "17"})), "refused invalid_id"),
        (line("bob", &json!({"createdAt": "yesterday"})), "refused invalid_time"),
        (line("bob", &json!({"email": "x".repeat(70_000)})), "refused line_too_long"),
        ("\n".to_owned(), ""),
        (
            line("eve", &json!({"id": "6c1e4d2a-1111-4222-8333-000000000001", "secondFactor": true})),
            "imported second_factor_dropped",
        ),
        (line("ivy", &json!({"id": "6c1e4d2a-1111-4222-8333-000000000001"})), "refused id_taken"),
        (line("ann", &json!({})), ""),
    ];
    let said = cases.iter().enumerate().filter(|(_, (_, said))| !said.is_empty());
    let said = said.map(|(index, (_, said))| format!("{} {said}", index + 1)).collect();
    (cases.into_iter().map(|(line, _)| line).collect(), said)
}

#[tokio::test]
async fn of_every_line_it_is_said_what_became_of_it_in_a_rehearsal_too() {
    let (app, environment) = app(&[]).await;
    let (file, said) = mixed();
    let rehearsed = import(&environment, &["--dry-run"], &file);
    assert_eq!(count_users(&app).await, 0);
    assert_eq!(rehearsed.summary["dryRun"], true);
    let imported = import(&environment, &[], &file);
    assert_eq!(count_users(&app).await, 2);
    for told in [&rehearsed, &imported] {
        assert_eq!((told.code, told.entries()), (Some(4), said.clone()));
        let counts = ["lines", "imported", "unchanged", "exists", "refused"].map(|name| told.count(name));
        assert_eq!(counts, [16, 2, 1, 1, 12]);
        assert_eq!((told.count("withoutPassword"), told.count("secondFactorDropped")), (1, 1));
        let text = format!("{:?}{}", told.report, told.summary);
        for private in ["ann@", "eve@", "$04$", "$1$", "yesterday", "xxx"] {
            assert!(!text.contains(private), "{private} stands in {text}");
        }
    }
    let differs = &imported.report[1];
    assert_eq!(
        (&differs["line"], &differs["detail"]),
        (&json!(3), &json!("its account has another passwordHash"))
    );
}

#[tokio::test]
async fn a_line_that_is_no_text_is_no_end_of_the_file() {
    let (app, environment) = app(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, report) = (folder.path().join("people.ndjson"), folder.path().join("report.ndjson"));
    let mut bytes = line("ann", &json!({})).into_bytes();
    bytes.extend(b"{\"email\":\"b\xf6b@example.com\"}\r\n{\"email\":\"eve@example.com\"}\r\n\r\n");
    std::fs::write(&file, bytes).unwrap();
    let (file, report) = (file.to_str().unwrap(), report.to_str().unwrap());
    let output = run(&["users", "import", file, "--report", report], &environment, "");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(4), &b""[..]));
    let said: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!((&said["line"], &said["code"]), (&json!(2), &json!("invalid_utf8")));
    assert_eq!(count_users(&app).await, 2);

    // A slip must not cost the file.
    let slip = complaint(&run(&["users", "import", file, "--report", file], &environment, ""));
    assert!(slip.contains("making the report"), "{slip}");
    assert!(std::fs::metadata(file).unwrap().len() > 0);
    let missing = complaint(&run(&["users", "import", "nowhere.ndjson"], &environment, ""));
    assert!(missing.contains("opening nowhere.ndjson"), "{missing}");
}

#[tokio::test]
async fn a_file_that_was_imported_is_unchanged_and_can_be_taken_up_at_a_line() {
    let (app, environment) = app(&[]).await;
    let file = lines(2_500);
    let begun = import(&environment, &["--from-line", "2301"], &file);
    assert_eq!((begun.code, begun.count("lines"), begun.count("imported")), (Some(0), 200, 200));
    let rehearsed = import(&environment, &["--dry-run"], &file);
    assert_eq!((rehearsed.count("imported"), rehearsed.count("unchanged")), (2_300, 200));
    let whole = import(&environment, &[], &file);
    assert_eq!((whole.code, whole.count("imported"), whole.count("unchanged")), (Some(0), 2_300, 200));
    let again = import(&environment, &[], &file);
    assert_eq!((again.code, again.count("imported"), again.count("unchanged")), (Some(0), 0, 2_500));
    assert_eq!(count_users(&app).await, 2_500);
}

#[tokio::test]
async fn the_first_of_those_that_repeat_each_other_counts_however_far_apart_they_are() {
    let (app, environment) = app(&[]).await;
    let again = line("user1", &json!({"createdAt": "2021-01-01T00:00:00Z"}));
    let other = line("mallory", &json!({"id": "0190a000-0000-7000-8000-000000000001"}));
    let file = again.clone() + &lines(1_500) + &again + &other;
    for options in [&["--dry-run"][..], &[]] {
        let imported = import(&environment, options, &file);
        assert_eq!(imported.entries(), ["2 exists email_taken"]);
        // The first line of user1 was let in without an id, so the id of the second is free for whoever comes last.
        assert_eq!((imported.count("imported"), imported.count("unchanged")), (1_501, 1));
    }
    assert_eq!(count_users(&app).await, 1_501);
}

#[tokio::test]
async fn administrators_come_only_where_that_is_said_and_each_is_in_the_trail() {
    let (app, environment) = app(&[]).await;
    let file =
        line("root", &json!({"role": "ADMIN", "passwordHash": FOREIGN[1].1})) + &line("ann", &json!({}));
    assert_eq!(import(&environment, &[], &file).count("refused"), 1);
    let imported = import(&environment, &["--allow-admins"], &file);
    assert_eq!((imported.code, imported.count("imported"), imported.count("unchanged")), (Some(0), 1, 1));
    let mut root = app.visitor();
    root.log_in("root").await.expect(200);
    root.get("/api/admin/users").await.expect(200);

    let batch = app.audited("accounts_imported").await["detail"].clone();
    assert_eq!((&batch["by"], &batch["accounts"]), (&json!("operator"), &json!(1)));
    assert_eq!(batch["lines"], json!({"from": 1, "to": 2}));
    let admin = app.audited("account_created").await;
    assert_eq!((&admin["user_id"], &admin["detail"]["role"]), (&json!(root.identity.user), &json!("ADMIN")));
    assert_eq!(admin["detail"]["import"], batch["import"]);
    // Bootstrap is over, as whenever there is an administrator.
    let closed = "SELECT closed_at IS NOT NULL FROM bootstrap";
    assert!(app.sql().await.query_one(closed, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn who_was_deleted_and_comes_back_under_the_old_id_is_let_in_with_new_tokens_only() {
    let (app, environment) = app(&[]).await;
    let mut ann = app.customer("ann").await;
    let old = app.verify(&ann.log_in("ann").await.expect(200).text("accessToken")).await;
    let id = ann.identity.user.clone();
    let deleted = run(&["users", "delete", &id], &environment, "");
    assert!(deleted.status.success());
    assert!(!app.is_accepted(&old).await);

    let back = json!({"id": id, "passwordHash": FOREIGN[1].1});
    assert_eq!(import(&environment, &[], &line("ann", &back)).count("imported"), 1);
    let new = app.verify(&ann.log_in("ann").await.expect(200).text("accessToken")).await;
    assert_eq!(new.sub, id);
    assert!(app.is_accepted(&new).await && !app.is_accepted(&old).await);
}

#[tokio::test]
async fn a_pooler_in_between_is_gone_round() {
    let (app, environment) = app(&[]).await;
    let nobody = format!("postgres://auth@127.0.0.1:{}/auth", test_support::free_port());
    let direct = ("DATABASE_DIRECT_URL".to_owned(), app.database.url().to_owned());
    let environment: Environment = [environment, vec![("DATABASE_URL".to_owned(), nobody), direct]].concat();
    for options in [&["--dry-run"][..], &[]] {
        assert_eq!(import(&environment, options, &line("ann", &json!({}))).count("imported"), 1);
    }
    assert!(run(&["users", "export"], &environment, "").status.success());
}
