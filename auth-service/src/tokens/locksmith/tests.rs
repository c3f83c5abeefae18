//! Rows in, changes out.

use std::time::Duration;

use secret::Secret;

use super::*;
use crate::tokens::rotation::ALWAYS;

const NOON: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);

const POLICY: RotationPolicy = RotationPolicy {
    every: Duration::from_secs(3600),
    publish_ahead: Duration::from_secs(900),
    token_lifetime: Duration::from_secs(600),
};

fn locksmith(current: u8, previous: &[u8]) -> Locksmith {
    let secret = |byte| Secret::new(vec![byte; 32]);
    let previous: Vec<_> = previous.iter().copied().map(secret).collect();
    Locksmith::new(&RootSecrets::new(&secret(current), &previous), Algorithm::EdDsa, POLICY)
}

/// The table, as `db::signing_keys` keeps it.
fn apply(stored: &mut StoredKeys, changes: &[KeyChange]) {
    for change in changes {
        stored.keys.retain(|key| key.label.kid != change.kid());
        if let KeyChange::Insert(key) | KeyChange::Replace(key) = change {
            stored.keys.push(key.clone());
        }
    }
}

/// A table in which the first key signs and the next one is published, at a quarter to one.
fn two_keys() -> StoredKeys {
    let mut stored = StoredKeys { now: NOON, keys: Vec::new() };
    for minutes in [0, 45] {
        stored.now = NOON + time::Duration::minutes(minutes);
        let tended = locksmith(1, &[]).tend(&stored).unwrap();
        apply(&mut stored, &tended.changes);
    }
    stored
}

fn kids(stored: &StoredKeys) -> Vec<String> {
    stored.keys.iter().map(|key| key.label.kid.clone()).collect()
}

#[test]
fn the_first_key_signs_at_once_and_the_second_is_published_ahead() {
    let keys = two_keys().keys;
    assert_eq!((keys[0].label.times.created_at, keys[0].label.times.signs_from), (NOON, ALWAYS));
    let (made, signs) = (NOON + time::Duration::minutes(45), NOON + time::Duration::minutes(60));
    assert_eq!((keys[1].label.times.created_at, keys[1].label.times.signs_from), (made, signs));
    assert!(locksmith(1, &[]).tend(&two_keys()).unwrap().changes.is_empty());
}

#[test]
fn one_whose_secret_opens_nothing_does_nothing() {
    let (stranger, stored) = (locksmith(2, &[]), two_keys());
    let nothing = |refused: Option<NotDone>| {
        assert!(matches!(refused, Some(NotDone::NoneOpens(2))), "{refused:?}");
    };
    nothing(stranger.open(&stored).err());
    nothing(stranger.tend(&stored).err());
    nothing(stranger.rotate(&stored).err());
    nothing(stranger.revoke(&stored, &kids(&stored)[0]).err());
    nothing(stranger.reencrypt(&stored).err());
}

#[test]
fn a_row_that_does_not_open_is_no_key_for_any_purpose() {
    let mut stored = two_keys();
    let foreign = locksmith(2, &[]).rotate(&StoredKeys { now: stored.now, keys: Vec::new() }).unwrap();
    apply(&mut stored, &foreign.changes);
    stored.keys[1].label.times.signs_from = NOON;
    let opened = locksmith(1, &[]).open(&stored).unwrap();
    assert_eq!(opened.keys.len(), 1);
    let refused: Vec<_> = opened.refused.iter().map(|(row, why)| (row.label.kid.clone(), *why)).collect();
    let expected = [Unopened::Tampered, Unopened::UnknownSecret];
    assert_eq!(refused, kids(&stored).split_off(1).into_iter().zip(expected).collect::<Vec<_>>());
    // The one that was changed was the next; another is made in its place, and neither row is touched.
    let tended = locksmith(1, &[]).tend(&stored).unwrap().changes;
    assert!(matches!(&tended[..], [KeyChange::Insert(_)]), "{tended:?}");
}

#[test]
fn a_row_that_comes_back_from_the_past_is_not_published() {
    let mut stored = two_keys();
    stored.now = NOON + time::Duration::minutes(71);
    let old = kids(&stored)[0].clone();
    let published = locksmith(1, &[]).open(&stored).unwrap().published(stored.now);
    assert_eq!(published.iter().map(SigningKey::kid).collect::<Vec<_>>(), [&kids(&stored)[1]]);
    assert_eq!(locksmith(1, &[]).tend(&stored).unwrap().changes, [KeyChange::Delete(old)]);
}

#[test]
fn rotating_twice_makes_one_key() {
    let mut stored = StoredKeys { now: NOON, keys: Vec::new() };
    let first = locksmith(1, &[]).rotate(&stored).unwrap();
    assert_eq!(first.outcome.times.signs_from, ALWAYS);
    apply(&mut stored, &first.changes);
    let next = locksmith(1, &[]).rotate(&stored).unwrap();
    assert_eq!(next.outcome.times.signs_from, NOON + POLICY.publish_ahead);
    apply(&mut stored, &next.changes);
    let again = locksmith(1, &[]).rotate(&stored).unwrap();
    assert_eq!((again.outcome, again.changes), (next.outcome, Vec::new()));
}

/// Revokes, and answers which keys there are then and which signs.
fn revoked(mut stored: StoredKeys, kid: &str) -> (Vec<String>, Option<String>, Option<String>) {
    let done = locksmith(1, &[]).revoke(&stored, kid).unwrap();
    let until = stored.now + POLICY.token_lifetime + MARGIN;
    assert_eq!(done.changes[0], KeyChange::Revoke(kid.to_owned(), until));
    apply(&mut stored, &done.changes);
    let labels = locksmith(1, &[]).open(&stored).unwrap().labels();
    let signing = labels.iter().find(|key| rotation::state(key, &labels, stored.now) == KeyState::Signing);
    (kids(&stored), signing.map(|key| key.kid.clone()), done.outcome.signs_now)
}

#[test]
fn revoking_the_key_that_signs_lets_the_next_one_sign_at_once() {
    let stored = two_keys();
    let [first, next] = <[String; 2]>::try_from(kids(&stored)).unwrap();
    assert_eq!(revoked(stored, &first), (vec![next.clone()], Some(next.clone()), Some(next)));
}

#[test]
fn revoking_the_only_key_makes_another_that_signs_at_once() {
    let mut stored = two_keys();
    stored.keys.pop();
    let first = kids(&stored)[0].clone();
    let (kids, signing, signs_now) = revoked(stored, &first);
    assert!(kids.len() == 1 && kids[0] != first);
    assert_eq!((signing.as_ref(), signs_now.as_ref()), (Some(&kids[0]), Some(&kids[0])));
}

#[test]
fn revoking_a_key_that_does_not_sign_changes_nothing_else() {
    let stored = two_keys();
    let [first, next] = <[String; 2]>::try_from(kids(&stored)).unwrap();
    assert_eq!(revoked(stored, &next), (vec![first.clone()], Some(first), None));
}

#[test]
fn a_row_that_does_not_open_can_be_revoked_and_an_unknown_name_cannot() {
    let mut stored = two_keys();
    stored.keys[1].sealed[20] ^= 1;
    let changed = kids(&stored)[1].clone();
    let done = locksmith(1, &[]).revoke(&stored, &changed).unwrap();
    // Nothing is known of how long its tokens live.
    assert_eq!(done.changes, [KeyChange::Revoke(changed, stored.now + LONGEST_TOKEN + MARGIN)]);
    let unknown = locksmith(1, &[]).revoke(&stored, "another");
    assert!(matches!(unknown, Err(NotDone::UnknownKey(_))), "{unknown:?}");
}

#[test]
fn reencrypting_moves_every_key_once() {
    let mut stored = two_keys();
    let published = |locksmith: &Locksmith, stored: &StoredKeys| {
        let keys = locksmith.open(stored).unwrap().keys;
        keys.iter().map(|key| (key.label().clone(), key.jwk().clone())).collect::<Vec<_>>()
    };
    let before = published(&locksmith(1, &[]), &stored);
    let done = locksmith(2, &[1]).reencrypt(&stored).unwrap();
    assert_eq!(done.outcome, Reencrypted { moved: 2, refused: Vec::new() });
    apply(&mut stored, &done.changes);
    assert_eq!(published(&locksmith(2, &[]), &stored), before);
    let again = locksmith(2, &[1]).reencrypt(&stored).unwrap();
    assert_eq!((again.outcome.moved, again.changes), (0, Vec::new()));
}

#[test]
fn reencrypting_names_what_does_not_open_and_leaves_it() {
    let mut stored = two_keys();
    stored.keys[1].sealed[20] ^= 1;
    let done = locksmith(2, &[1]).reencrypt(&stored).unwrap();
    assert_eq!(done.outcome, Reencrypted { moved: 1, refused: vec![kids(&stored)[1].clone()] });
    assert_eq!(done.changes.len(), 1);
}
