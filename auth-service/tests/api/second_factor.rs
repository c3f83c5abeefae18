//! The second factor: enrolled, confirmed, asked for, replaced, removed.

use axum::body::Body;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use serde_json::json;

use crate::support::{Actor, Authenticator, PASSWORD, Reply, TestApp};

const PATH: &str = "/api/auth/second-factor";
const WRONG: &str = "kettle-8-fog-lamp";

async fn disable(actor: &Actor, password: &str) -> Reply {
    let request = actor.request(Method::DELETE, PATH).header(CONTENT_TYPE, "application/json");
    let body = json!({"currentPassword": password}).to_string();
    actor.forward(request.body(Body::from(body)).unwrap()).await
}

async fn status(actor: &Actor) -> serde_json::Value {
    actor.get(PATH).await.expect(200).json()
}

#[tokio::test]
async fn it_is_on_once_the_app_has_shown_a_code() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    assert_eq!(status(&ann).await, json!({"enabled": false, "pending": false, "recoveryCodesLeft": 0}));

    let told = ann.post(PATH, &json!({"currentPassword": PASSWORD})).await.expect(200);
    assert_eq!(told.header("cache-control"), Some("no-store"));
    let (secret, uri) = (told.text("secret"), told.text("otpauthUri"));
    assert_eq!(secret.len(), 32);
    assert!(uri.starts_with("otpauth://totp/localhost:ann%40example.com?"), "{uri}");
    assert!(uri.contains(&format!("secret={secret}")) && uri.contains("issuer=localhost"), "{uri}");
    assert!(told.text("qrCode").starts_with("data:image/svg+xml;base64,"));
    assert_eq!(status(&ann).await["pending"], true);
    assert_eq!(ann.get("/api/auth/me").await.expect(200).json()["secondFactor"], false);
    app.visitor().log_in("ann").await.expect(200);

    let mut phone = Authenticator::enrol(&ann).await;
    let first = Authenticator { secret, ..phone.clone() };
    let confirm = async |code: String| ann.post(&format!("{PATH}/confirm"), &json!({"code": code})).await;
    confirm(first.code(0)).await.refused(403, "wrong_code");
    confirm("0123-4567-89AB-CDEF".to_owned()).await.refused(403, "wrong_code");
    assert_eq!(app.audited("second_factor_refused").await["session_id"], ann.identity.session);
    phone.confirm(&ann).await;
    assert_eq!(phone.recovery_codes.len(), 10);
    confirm(phone.code(1)).await.refused(409, "second_factor_on");

    let on = status(&ann).await;
    assert_eq!(
        (&on["enabled"], &on["pending"], &on["recoveryCodesLeft"]),
        (&true.into(), &false.into(), &10.into())
    );
    assert!(on["enabledAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(ann.get("/api/auth/me").await.expect(200).json()["secondFactor"], true);
    ann.post(PATH, &json!({"currentPassword": PASSWORD})).await.refused(409, "second_factor_on");
    assert_eq!(app.audited("second_factor_confirmed").await["user_id"], ann.identity.user);
    // The code that confirmed is used up.
    let challenge = app.visitor().first_step("ann").await;
    app.visitor().second_step(&challenge, &phone.code(0)).await.refused(401, "invalid_code");
}

#[tokio::test]
async fn a_login_takes_the_password_and_then_a_code() {
    let app = TestApp::start().await;
    let (_, phone) = app.careful_customer("ann").await;
    let mut tab = app.visitor();
    let asked = tab.log_in("ann").await.refused(403, "mfa_required");
    assert!(asked.set_cookies().is_empty(), "no session before");
    assert_eq!(asked.json()["methods"], json!(["otp", "recovery"]));
    assert_eq!(asked.json()["expiresIn"], 300);
    assert_eq!(app.audited("second_factor_required").await["address"], "203.0.113.7");
    let sessions = app.sql().await.query("SELECT FROM sessions", &[]).await.unwrap().len();
    assert_eq!(sessions, 1, "that in which it was enrolled");

    let challenge = asked.text("challenge");
    tab.second_step(&challenge, &phone.wrong_code()).await.refused(401, "invalid_code");
    assert_eq!(app.audited("login_refused").await["detail"]["code"], "invalid_code");
    let reply = tab.second_step(&challenge, &phone.code(0)).await.expect(200);
    assert_eq!(reply.json()["user"]["email"], "ann@example.com");
    assert!(tab.has_cookie());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let amr = json!(["pwd", "otp", "mfa"]);
    assert_eq!(json!(app.verify(&reply.text("accessToken")).await.amr), amr);
    let refreshed = tab.refresh().await.expect(200);
    assert_eq!(json!(app.verify(&refreshed.text("accessToken")).await.amr), amr);
    assert_eq!(app.audited("login").await["detail"]["amr"], amr);
}

#[tokio::test]
async fn a_code_counts_once_and_so_do_those_before_it() {
    let app = TestApp::start().await;
    let (_, phone) = app.careful_customer("ann").await;
    let challenge = app.visitor().first_step("ann").await;
    let (now, next) = (phone.code(0), phone.code(1));
    app.visitor().second_step(&challenge, &now).await.expect(200);
    app.visitor().second_step(&challenge, &now).await.refused(401, "invalid_code");
    // A challenge may serve again, with another code: the first answer may have been lost.
    app.visitor().second_step(&challenge, &next).await.expect(200);
    for used in [&now, &next] {
        app.visitor().second_step(&challenge, used).await.refused(401, "invalid_code");
    }
}

#[tokio::test]
async fn a_recovery_code_counts_once() {
    let app = TestApp::start().await;
    let (ann, phone) = app.careful_customer("ann").await;
    let challenge = app.visitor().first_step("ann").await;
    let typed = phone.recovery_codes[3].to_lowercase().replace('-', " ");
    let reply = app.visitor().second_step(&challenge, &typed).await.expect(200);
    assert_eq!(json!(app.verify(&reply.text("accessToken")).await.amr), json!(["pwd", "recovery", "mfa"]));
    assert_eq!(status(&ann).await["recoveryCodesLeft"], 9);
    app.visitor().second_step(&challenge, &phone.recovery_codes[3]).await.refused(401, "invalid_code");
    let stored =
        app.sql().await.query("SELECT to_jsonb(recovery_codes)::text FROM recovery_codes", &[]).await;
    for row in stored.unwrap() {
        let row: String = row.get(0);
        assert!(phone.recovery_codes.iter().all(|code| !row.contains(code.as_str())), "only hashes are kept");
    }
    let bob = app.careful_customer("bob").await.1;
    app.visitor().second_step(&challenge, &bob.recovery_codes[0]).await.refused(401, "invalid_code");
}

#[tokio::test]
async fn an_enrolment_that_was_left_lying_comes_to_nothing() {
    let app = TestApp::start().await;
    let ann = app.customer("ann").await;
    let phone = Authenticator::enrol(&ann).await;
    let late = "UPDATE second_factors SET created_at = created_at - interval '61 minutes'";
    app.sql().await.batch_execute(late).await.unwrap();
    let code = json!({"code": phone.code(0)});
    ann.post(&format!("{PATH}/confirm"), &code).await.refused(409, "second_factor_off");
    assert_eq!(status(&ann).await["pending"], json!(false));
    let mut again = Authenticator::enrol(&ann).await;
    again.confirm(&ann).await;
}

#[tokio::test]
async fn another_set_of_recovery_codes_voids_the_one_before() {
    let app = TestApp::start().await;
    let (ann, phone) = app.careful_customer("ann").await;
    let path = format!("{PATH}/recovery-codes");
    ann.post(&path, &json!({"currentPassword": WRONG})).await.refused(403, "wrong_password");
    let replaced = ann.post(&path, &json!({"currentPassword": PASSWORD})).await.expect(200).json();
    let code = replaced["recoveryCodes"][0].as_str().unwrap().to_owned();
    assert_eq!(status(&ann).await["recoveryCodesLeft"], 10);
    let challenge = app.visitor().first_step("ann").await;
    app.visitor().second_step(&challenge, &phone.recovery_codes[0]).await.refused(401, "invalid_code");
    app.visitor().second_step(&challenge, &code).await.expect(200);
    let bob = app.customer("bob").await;
    bob.post(&path, &json!({"currentPassword": PASSWORD})).await.refused(409, "second_factor_off");
}

#[tokio::test]
async fn two_sets_that_are_made_at_once_leave_one() {
    let app = TestApp::start().await;
    let (ann, _) = app.careful_customer("ann").await;
    let ask = async || {
        let body = json!({"currentPassword": PASSWORD});
        ann.post(&format!("{PATH}/recovery-codes"), &body).await.expect(200)
    };
    let all = futures_util::future::join_all((0..8).map(|_| ask())).await;
    assert_eq!(status(&ann).await["recoveryCodesLeft"], 10);
    let challenge = app.visitor().first_step("ann").await;
    let mut good = 0;
    for set in all {
        let code = set.json()["recoveryCodes"][0].as_str().unwrap().to_owned();
        good += u32::from(app.visitor().second_step(&challenge, &code).await.status == 200);
    }
    assert_eq!(good, 1);
}

#[tokio::test]
async fn nothing_changes_without_the_password() {
    let app = TestApp::start().await;
    let (ann, _) = app.careful_customer("ann").await;
    disable(&ann, WRONG).await.refused(403, "wrong_password");
    assert_eq!(app.audited("second_factor_refused").await["user_id"], ann.identity.user);
    assert_eq!(status(&ann).await["enabled"], true);
    let bob = app.customer("bob").await;
    bob.post(PATH, &json!({"currentPassword": WRONG})).await.refused(403, "wrong_password");
    assert_eq!(status(&bob).await["pending"], false);
    bob.post(&format!("{PATH}/confirm"), &json!({"code": "123456"})).await.refused(409, "second_factor_off");
}

#[tokio::test]
async fn without_it_the_password_is_enough_again() {
    let app = TestApp::start().await;
    let (ann, phone) = app.careful_customer("ann").await;
    let challenge = app.visitor().first_step("ann").await;
    disable(&ann, PASSWORD).await.expect(204);
    assert_eq!(app.audited("second_factor_disabled").await["user_id"], ann.identity.user);
    disable(&ann, PASSWORD).await.expect(204);
    app.visitor().second_step(&challenge, &phone.code(0)).await.refused(401, "invalid_challenge");
    app.visitor().log_in("ann").await.expect(200);
    assert_eq!(status(&ann).await, json!({"enabled": false, "pending": false, "recoveryCodesLeft": 0}));

    // Another phone is another factor, also for a challenge from before.
    let mut other = Authenticator::enrol(&ann).await;
    other.confirm(&ann).await;
    app.forget_codes().await;
    app.visitor().second_step(&challenge, &other.code(0)).await.refused(401, "invalid_challenge");
    app.visitor().second_step(&challenge, &other.recovery_codes[0]).await.refused(401, "invalid_challenge");
}

#[tokio::test]
async fn an_administrator_helps_who_has_lost_everything() {
    let app = TestApp::start().await;
    let ((ann, _), (root, _)) = (app.careful_customer("ann").await, app.careful_customer("root").await);
    let path = |user: &Actor| format!("/api/admin/users/{}/second-factor", user.identity.user);
    ann.delete(&path(&root)).await.refused(403, "forbidden");
    let mut admin = root.clone();
    admin.identity.role = "ADMIN".to_owned();
    // A token that is older than the account's role.
    admin.delete(&path(&ann)).await.refused(401, "session_ended");
    let promote = "UPDATE users SET role = 'ADMIN' WHERE email LIKE 'root@%'";
    app.sql().await.batch_execute(promote).await.unwrap();
    admin.delete(&path(&root)).await.refused(403, "forbidden");
    admin.delete(&path(&ann)).await.expect(204);
    let audited = app.audited("second_factor_reset").await;
    assert_eq!(
        (&audited["user_id"], &audited["actor_id"]),
        (&ann.identity.user.as_str().into(), &root.identity.user.as_str().into())
    );
    admin.delete(&path(&ann)).await.expect(204);
    app.visitor().log_in("ann").await.expect(200);
    let nobody = format!("/api/admin/users/{}/second-factor", uuid::Uuid::now_v7());
    admin.delete(&nobody).await.refused(404, "not_found");
}

#[tokio::test]
async fn its_owner_gets_mail_of_every_change() {
    let app = TestApp::start().await;
    let with_mail = app.replica(&[("MAIL_SMTP_URL", "mailbox:")]).await;
    with_mail.load_keys().await.unwrap();
    let (ann, root) = (app.customer("ann").await, app.admin("root").await);
    app.sql().await.batch_execute("UPDATE users SET email_verified_at = now()").await.unwrap();
    let ann = ann.at(&with_mail.gateway);
    Authenticator::enrol(&ann).await.confirm(&ann).await;
    let password = json!({"currentPassword": PASSWORD});
    ann.post(&format!("{PATH}/recovery-codes"), &password).await.expect(200);
    disable(&ann, PASSWORD).await.expect(204);
    // What never came into force is nobody's news.
    let mut phone = Authenticator::enrol(&ann).await;
    disable(&ann, PASSWORD).await.expect(204);
    phone.secret = Authenticator::enrol(&ann).await.secret;
    phone.confirm(&ann).await;
    let path = format!("/api/admin/users/{}/second-factor", ann.identity.user);
    root.at(&with_mail.gateway).delete(&path).await.expect(204);

    let query =
        "SELECT detail->>'change', recipient FROM outbox WHERE kind = 'second_factor_changed' ORDER BY id";
    let rows = app.sql().await.query(query, &[]).await.unwrap();
    let told: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(told, ["enabled", "recovery_codes", "disabled", "enabled", "reset"]);
    assert!(rows.iter().all(|row| row.get::<_, &str>(1) == "ann@example.com"));
}
