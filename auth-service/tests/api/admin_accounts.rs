//! What an administrator sees of accounts, and how they make and delete them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Actor, Authenticator, PASSWORD, TestApp};

const USERS: &str = "/api/admin/users";

fn path(user: &Actor) -> String {
    format!("{USERS}/{}", user.identity.user)
}

/// The names in a list.
fn names(body: &Value) -> Vec<&str> {
    let items = body["items"].as_array().unwrap().iter();
    items.map(|item| item["email"].as_str().unwrap().split('@').next().unwrap()).collect()
}

/// All names, page by page.
async fn walk(admin: &Actor, query: &str, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{USERS}?limit={limit}{query}{cursor}");
        let body = admin.get(&path).await.expect(200).json();
        let page = names(&body);
        assert!(page.len() <= limit);
        found.extend(page.into_iter().map(str::to_owned));
        match body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

#[tokio::test]
async fn accounts_are_listed_newest_first_and_filtered() {
    let app = TestApp::start().await;
    let root = app.admin("root").await;
    for name in ["ann", "bob", "anna", "zoe"] {
        app.registered(name).await;
    }
    let disable = "UPDATE users SET status = 'disabled' WHERE email LIKE 'bob@%'";
    app.sql().await.batch_execute(disable).await.unwrap();
    for limit in [1, 2, 5, 100] {
        assert_eq!(walk(&root, "", limit).await, ["zoe", "anna", "bob", "ann", "root"]);
        assert_eq!(walk(&root, "&role=ADMIN", limit).await, ["root"]);
        assert_eq!(walk(&root, "&role=USER&status=active", limit).await, ["zoe", "anna", "ann"]);
        assert_eq!(walk(&root, "&status=disabled", limit).await, ["bob"]);
        assert_eq!(walk(&root, "&status=disabled&role=ADMIN", limit).await, Vec::<String>::new());
    }
    let body = root.get(USERS).await.expect(200).json();
    let fields: Vec<_> = body["items"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["createdAt", "email", "id", "role", "status"]);
}

#[tokio::test]
async fn accounts_are_found_by_how_address_domain_or_id_begin() {
    let app = TestApp::start().await;
    let root = app.admin("root").await;
    let insert =
        "INSERT INTO users (id, email, password_hash, role) VALUES (gen_random_uuid(), $1, 'x', 'USER')";
    for email in ["ann@b.test", "ann@a.test", "bo_b@a.test", "boxb@a.test.org", "\u{e9}va@a.test"] {
        app.sql().await.execute(insert, &[&email]).await.unwrap();
    }
    let emails = async |query: &str, limit: usize| {
        let names = walk(&root, &format!("&q={query}"), limit).await;
        names.join(" ")
    };
    for limit in [1, 2, 100] {
        assert_eq!(emails("ANN", limit).await, "ann ann");
        assert_eq!(emails("ann@a", limit).await, "ann");
        // Nothing is a wildcard.
        assert_eq!(emails("bo_", limit).await, "bo_b");
        assert_eq!(emails("%25", limit).await, "");
        assert_eq!(emails("e%CC%81v", limit).await, "\u{e9}va");
        assert_eq!(emails("@a.test", limit).await, "ann bo_b \u{e9}va boxb");
        assert_eq!(emails("@a.test&role=ADMIN", limit).await, "");
        assert_eq!(emails(&root.identity.user, limit).await, "root");
        assert_eq!(emails(&Uuid::now_v7().to_string(), limit).await, "");
    }
}

#[tokio::test]
async fn a_query_that_is_none_is_refused() {
    let app = TestApp::start().await;
    let root = app.admin("root").await;
    for wrong in [
        "q=",
        "q=%40",
        "q=a%00",
        "role=admin",
        "status=gone",
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=x",
        "cursor=YW5u",
        "rolle=USER",
        "role=USER&role=ADMIN",
        "q=ann&cursor=AA",
        "q=a&cursor=_w",
    ] {
        root.get(&format!("{USERS}?{wrong}")).await.refused(400, "invalid_query");
    }
}

#[tokio::test]
async fn an_account_is_shown_with_its_sessions() {
    let app = TestApp::start().await;
    let (root, ann) = (app.admin("root").await, app.registered("ann").await);
    let body = root.get(&format!("{USERS}?q=ann")).await.expect(200).json();
    let path = format!("{USERS}/{}", body["items"][0]["id"].as_str().unwrap());
    let shown = root.get(&path).await.expect(200).json();
    assert_eq!((&shown["sessions"], &shown["lastLoginAt"]), (&0.into(), &Value::Null));
    assert_eq!((&shown["emailVerified"], &shown["secondFactor"]), (&false.into(), &false.into()));
    assert_eq!(shown["user"], body["items"][0]);

    let (mut phone, mut laptop) = (ann.clone(), ann);
    phone.log_in("ann").await.expect(200);
    laptop.log_in("ann").await.expect(200);
    let shown = root.get(&path).await.expect(200).json();
    assert_eq!(shown["sessions"], 2);
    let mut phone_app = Authenticator::enrol(&phone).await;
    assert_eq!(root.get(&path).await.expect(200).json()["secondFactor"], false, "it is not in force yet");
    phone_app.confirm(&phone).await;
    app.sql().await.batch_execute("UPDATE users SET email_verified_at = now()").await.unwrap();
    let told = root.get(&path).await.expect(200).json();
    assert_eq!((&told["emailVerified"], &told["secondFactor"]), (&true.into(), &true.into()));
    assert!(shown["lastLoginAt"].as_str().unwrap().ends_with('Z'));
    phone.log_out().await.expect(204);
    assert_eq!(root.get(&path).await.expect(200).json()["sessions"], 1);
    for nobody in [Uuid::now_v7().to_string(), "x".to_owned()] {
        root.get(&format!("{USERS}/{nobody}")).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn an_account_is_made() {
    let app = TestApp::start().await;
    let root = app.admin("root").await;
    let new = json!({"email": " Eve@Example.com", "password": PASSWORD, "role": "ADMIN"});
    let reply = root.post(USERS, &new).await.expect(201);
    let user = reply.json()["user"].clone();
    assert_eq!((&user["email"], &user["role"]), (&"eve@example.com".into(), &"ADMIN".into()));
    assert_eq!(reply.header("location").unwrap(), format!("{USERS}/{}", user["id"].as_str().unwrap()));
    let audited = app.audited("account_created").await;
    assert_eq!(
        (&audited["user_id"], &audited["actor_id"]),
        (&user["id"], &root.identity.user.clone().into())
    );
    assert_eq!(audited["detail"]["role"], "ADMIN");
    let mut eve = app.visitor();
    eve.log_in("eve").await.expect(200);
    eve.get(USERS).await.expect(200);

    root.post(USERS, &new).await.refused(409, "email_taken");
    let made = root.post(USERS, &json!({"email": "bob@example.com", "password": PASSWORD})).await.expect(201);
    assert_eq!(made.json()["user"]["role"], "USER");
    let wrong = root.post(USERS, &json!({"email": "x", "password": "short"})).await;
    assert_eq!(
        wrong.refused(422, "invalid_fields").field_errors(),
        ["email: invalid", "password: too_short"]
    );
    for wrong in [
        json!({"email": "cid@example.com"}),
        json!({"email": "cid@example.com", "password": PASSWORD, "rolle": "ADMIN"}),
        json!({"email": "cid@example.com", "password": PASSWORD, "role": "ROOT"}),
    ] {
        root.post(USERS, &wrong).await.refused(422, "invalid_fields");
    }
    assert_eq!(walk(&root, "&q=cid", 10).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_deleted_account_is_gone_at_once_and_its_trail_stays() {
    let app = TestApp::start().await;
    let (root, mut ann) = (app.admin("root").await, app.registered("ann").await);
    let claims = app.verify(&ann.log_in("ann").await.expect(200).text("accessToken")).await;
    root.delete(&path(&ann)).await.expect(204);
    assert!(!app.is_accepted(&claims).await);
    ann.refresh().await.refused(401, "session_ended");
    ann.get("/api/auth/me").await.refused(401, "session_ended");
    app.visitor().log_in("ann").await.refused(401, "invalid_credentials");
    let audited = app.audited("account_deleted").await;
    assert_eq!(
        (&audited["user_id"], &audited["actor_id"]),
        (&ann.identity.user.clone().into(), &root.identity.user.clone().into())
    );
    assert_eq!(
        audited["detail"]["was"],
        json!({"email": "ann@example.com", "role": "USER", "status": "active"})
    );
    assert_eq!(audited["detail"]["sessions"], 1);
    let trail = "SELECT count(*) FROM audit_events WHERE user_id = $1::text::uuid AND kind IN ('account_created', 'login')";
    assert_eq!(app.sql().await.query_one(trail, &[&ann.identity.user]).await.unwrap().get::<_, i64>(0), 2);
    root.delete(&path(&ann)).await.refused(404, "not_found");

    // The address is free again, for somebody else.
    let other = app.customer("ann").await;
    assert_ne!(other.identity.user, ann.identity.user);
}

#[tokio::test]
async fn the_last_administrator_cannot_be_deleted() {
    let app = TestApp::start().await;
    let (root, eve) = (app.admin("root").await, app.admin("eve").await);
    root.patch(&path(&eve), &json!({"status": "disabled"})).await.expect(200);
    root.delete(&path(&root)).await.refused(409, "last_admin");
    // One that administers nothing may go.
    root.delete(&path(&eve)).await.expect(204);
    let zoe = app.admin("zoe").await;
    // Themselves, too, once there is another.
    root.delete(&path(&root)).await.expect(204);
    root.get(USERS).await.refused(401, "session_ended");
    zoe.delete(&path(&zoe)).await.refused(409, "last_admin");
}

#[tokio::test]
async fn an_administrator_no_longer_sees_nothing_with_an_old_token() {
    let app = TestApp::start().await;
    let (root, eve, ann) = (app.admin("root").await, app.admin("eve").await, app.customer("ann").await);
    for path in [USERS, &path(&ann), "/api/admin/audit"] {
        ann.get(path).await.refused(403, "forbidden");
        app.visitor().get(path).await.refused(401, "unauthenticated");
    }
    root.patch(&path(&eve), &json!({"role": "USER"})).await.expect(200);
    // A gateway that has not heard of it yet still says ADMIN.
    for path in [USERS, &path(&ann), "/api/admin/audit"] {
        eve.get(path).await.refused(401, "session_ended");
    }
    eve.delete(&path(&ann)).await.refused(401, "session_ended");
    let new = json!({"email": "bob@example.com", "password": PASSWORD});
    eve.post(USERS, &new).await.refused(401, "session_ended");
    // Nor does one whose role was taken behind the service's back.
    let demote = "UPDATE users SET role = 'USER' WHERE email = 'root@example.com'";
    app.sql().await.batch_execute(demote).await.unwrap();
    root.get(USERS).await.refused(401, "session_ended");
    root.delete(&path(&ann)).await.refused(401, "session_ended");
}
