use super::*;

const NOW: i64 = 1_795_518_000;
const LATER: &str = "2026-11-24T12:00:00Z";

fn followed() -> Revocations {
    Revocations::new(Some(OnStale::Serve))
}

fn take(revocations: &Revocations, fields: &str) {
    let entry = Entry::parse(&format!("{{{fields}, \"expiresAt\": \"{LATER}\"}}")).unwrap();
    revocations.take(&entry, NOW).unwrap();
    revocations.changed();
}

fn subject(sid: Option<&str>, id: &str) -> Subject {
    let claims = serde_json::json!({
        "iss": "i", "aud": "a", "sub": id, "client_id": if sid.is_some() { "portcullis" } else { id }, "epoch": 3,
        "jti": "j", "iat": 1, "exp": 9,
    });
    let mut claims: Claims = serde_json::from_value(claims).unwrap();
    claims.sid = sid.map(str::to_owned);
    Subject::of(&claims)
}

#[test]
fn a_session_is_ended_whatever_the_epoch() {
    let revocations = followed();
    let (ended, other) = (subject(Some("s-1"), "u-1"), subject(Some("s-2"), "u-1"));
    assert!(!revocations.concerns(&ended, 3));
    take(&revocations, r#""kind": "session", "sid": "s-1""#);
    assert!(revocations.concerns(&ended, 3) && revocations.concerns(&ended, u32::MAX));
    assert!(!revocations.concerns(&other, 3));
    assert!(revocations.concerns(&ended, 3), "and it is asked again each time");
}

#[test]
fn users_and_clients_are_refused_below_their_epoch() {
    let revocations = followed();
    let (user, client) = (subject(Some("s-1"), "x"), subject(None, "x"));
    take(&revocations, r#""kind": "user", "sub": "x", "leastEpoch": 4"#);
    assert_eq!([3, 4, 5].map(|epoch| revocations.concerns(&user, epoch)), [true, false, false]);
    assert!(!revocations.concerns(&client, 0), "a client of the same name is somebody else");
    take(&revocations, r#""kind": "client", "clientId": "x", "leastEpoch": 2"#);
    assert_eq!([1, 2].map(|epoch| revocations.concerns(&client, epoch)), [true, false]);
}

#[test]
fn what_was_clear_is_looked_at_again_after_every_change() {
    let revocations = followed();
    let ann = subject(Some("s-1"), "u-1");
    for number in 0..3 {
        assert!(!revocations.concerns(&ann, 3));
        assert_eq!(ann.clear_at.load(Ordering::Relaxed), revocations.version.load(Ordering::Relaxed));
        take(&revocations, &format!(r#""kind": "session", "sid": "another-{number}""#));
    }
    take(&revocations, r#""kind": "user", "sub": "u-1", "leastEpoch": 4"#);
    assert!(revocations.concerns(&ann, 3));
}

#[test]
fn dead_entries_are_neither_taken_nor_kept() {
    let revocations = followed();
    let entry =
        Entry::parse(&format!(r#"{{"kind": "session", "sid": "s-1", "expiresAt": "{LATER}"}}"#)).unwrap();
    revocations.take(&entry, NOW).unwrap();
    assert_eq!(revocations.status().unwrap().entries, 1);
    revocations.sweep(entry.until() - 1);
    assert_eq!(revocations.status().unwrap().entries, 1);
    revocations.sweep(entry.until());
    revocations.take(&entry, entry.until()).unwrap();
    assert_eq!(revocations.status().unwrap().entries, 0);
}

#[test]
fn doubt_is_refused_where_the_configuration_says_so_and_after_an_overflow_everywhere() {
    let check = |on_stale, heard, overflowed, expected| {
        let revocations = Revocations::new(on_stale);
        if heard {
            revocations.heard();
        }
        revocations.overflow(overflowed);
        assert_eq!(revocations.are_in_doubt(), expected, "{on_stale:?} {heard} {overflowed}");
    };
    check(None, false, false, false);
    check(Some(OnStale::Serve), false, false, false);
    check(Some(OnStale::Deny), false, false, true);
    check(Some(OnStale::Deny), true, false, false);
    check(Some(OnStale::Serve), true, true, true);
    check(Some(OnStale::Deny), true, true, true);
}
