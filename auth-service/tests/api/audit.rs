//! The audit trail, as an administrator reads it.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::support::{Actor, TestApp};

const AUDIT: &str = "/api/admin/audit";

async fn kinds(admin: &Actor, query: &str) -> Vec<String> {
    let body = admin.get(&format!("{AUDIT}?{query}")).await.expect(200).json();
    let items = body["items"].as_array().unwrap().iter();
    items.map(|item| item["kind"].as_str().unwrap().to_owned()).collect()
}

fn stamp(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap()
}

#[tokio::test]
async fn what_was_done_to_whom_by_whom_is_told_newest_first() {
    let app = TestApp::start().await;
    let (root, ann) = (app.admin("root").await, app.customer("ann").await);
    let (root_id, ann_id) = (&root.identity.user, &ann.identity.user);
    root.patch(&format!("/api/admin/users/{ann_id}"), &json!({"role": "ADMIN"})).await.expect(200);
    root.delete(&format!("/api/admin/users/{ann_id}")).await.expect(204);

    let told = ["account_deleted", "account_changed", "login", "account_created"];
    assert_eq!(kinds(&root, &format!("user={ann_id}")).await, told);
    assert_eq!(kinds(&root, &format!("actor={root_id}")).await, told[..2]);
    assert_eq!(
        kinds(&root, &format!("user={ann_id}&kind=login&actor={root_id}")).await,
        Vec::<String>::new()
    );
    assert_eq!(kinds(&root, "kind=login").await, ["login", "login"]);
    assert_eq!(kinds(&root, "kind=nothing").await, Vec::<String>::new());
    assert_eq!(kinds(&root, "limit=3").await, ["account_deleted", "account_changed", "login"]);

    let body = root.get(&format!("{AUDIT}?limit=2")).await.expect(200).json();
    let event = &body["items"][1];
    assert_eq!((&event["user"], &event["actor"]), (&json!(ann_id), &json!(root_id)));
    assert_eq!(event["detail"]["role"], json!({"from": "USER", "to": "ADMIN"}));
    assert_eq!((&event["address"], &event["userAgent"]), (&json!("203.0.113.7"), &json!("story/1.0")));
    assert!(event["at"].as_str().unwrap().ends_with('Z') && event["requestId"].is_string());

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let body = root.get(&format!("{AUDIT}?limit=1{cursor}")).await.expect(200).json();
        seen.push(body["items"][0]["id"].clone());
        let Value::String(next) = &body["nextCursor"] else { break };
        cursor = format!("&cursor={next}");
    }
    let all = root.get(&format!("{AUDIT}?limit=100")).await.expect(200).json();
    let ids: Vec<_> = all["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn the_trail_is_cut_by_time() {
    let app = TestApp::start().await;
    let root = app.admin("root").await;
    // Written now by the ids, and an hour ago by the clock of a database that is right.
    let now = OffsetDateTime::now_utc();
    let noon = now - Duration::hours(1);
    for (minutes, kind) in [(0_i64, "first"), (1, "second"), (2, "third")] {
        let at = noon + Duration::minutes(minutes);
        let id = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::NoContext,
            u64::try_from(at.unix_timestamp()).unwrap(),
            0,
        ));
        let insert =
            "INSERT INTO audit_events (id, at, kind) VALUES ($1::text::uuid, $2::text::timestamptz, $3)";
        app.sql().await.execute(insert, &[&id.to_string(), &stamp(at), &kind]).await.unwrap();
    }
    let at = |minutes| stamp(noon + Duration::minutes(minutes)).replace('+', "%2B");
    assert_eq!(kinds(&root, &format!("to={}", at(2))).await, ["second", "first"]);
    assert_eq!(kinds(&root, &format!("from={}&to={}", at(1), at(10))).await, ["third", "second"]);
    assert_eq!(kinds(&root, &format!("from={}&to={}", at(1), at(1))).await, Vec::<String>::new());
    assert_eq!(kinds(&root, &format!("from={}&kind=third", at(0))).await, ["third"]);
    // In another zone it is the same moment.
    let zone = noon.to_offset(time::UtcOffset::from_hms(2, 0, 0).unwrap());
    let zone = stamp(zone).replace('+', "%2B");
    assert_eq!(kinds(&root, &format!("to={}&from={zone}", at(1))).await, ["first"]);
    for far in ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        root.get(&format!("{AUDIT}?from={far}&to={far}")).await.expect(200);
    }
}

#[tokio::test]
async fn a_query_that_is_none_is_refused() {
    let app = TestApp::start().await;
    let root = app.admin("root").await;
    for wrong in [
        "user=ann",
        "actor=",
        "from=yesterday",
        "to=2026-11-24",
        "from=1",
        "limit=0",
        "cursor=x",
        "kind=a&kind=b",
        "userId=0199a1b2-0000-7000-8000-000000000001",
        "kind=a%00",
    ] {
        root.get(&format!("{AUDIT}?{wrong}")).await.refused(400, "invalid_query");
    }
}
