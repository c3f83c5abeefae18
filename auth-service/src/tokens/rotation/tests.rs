//! The rules as tables, over a clock in minutes: a key signs for an hour and is published a quarter of an hour before, and tokens
//! live for ten minutes.

use super::*;

const NOON: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);

const POLICY: RotationPolicy = RotationPolicy {
    every: Duration::from_secs(3600),
    publish_ahead: Duration::from_secs(900),
    token_lifetime: Duration::from_secs(600),
};

/// That many minutes after noon.
fn at(minutes: i64) -> OffsetDateTime {
    NOON + time::Duration::minutes(minutes)
}

fn key(kid: &str, created: i64, signs: i64) -> KeyLabel {
    let times =
        KeyTimes { created_at: at(created), signs_from: at(signs), token_lifetime: Duration::from_secs(600) };
    KeyLabel { kid: kid.to_owned(), algorithm: Algorithm::Es256, times }
}

fn first() -> KeyLabel {
    let mut first = key("a", 0, 0);
    first.times.signs_from = ALWAYS;
    first
}

#[test]
fn a_key_is_next_signs_is_published_and_retires() {
    let keys = [first(), key("b", 45, 60), key("c", 105, 120)];
    let check = |minutes: i64, expected: [KeyState; 3]| {
        assert_eq!(keys.each_ref().map(|key| state(key, &keys, at(minutes))), expected, "at {minutes}");
    };
    use KeyState::{Next, Published, Retired, Signing};
    // A key that does not exist yet is `Next` here; what matters is that the others do not mind.
    check(0, [Signing, Next, Next]);
    check(59, [Signing, Next, Next]);
    check(60, [Published, Signing, Next]);
    // Ten minutes for the last token, one for the clocks.
    check(70, [Published, Signing, Next]);
    check(71, [Retired, Signing, Next]);
    check(120, [Retired, Published, Signing]);
    check(131, [Retired, Retired, Signing]);
    check(100_000, [Retired, Retired, Signing]);
}

#[test]
fn what_is_due() {
    let check = |keys: &[KeyLabel], minutes: i64, expected: &[Due]| {
        assert_eq!(due(keys, at(minutes), &POLICY), expected, "{keys:?} at {minutes}");
    };
    let delete = |kid: &str| Due::Delete(kid.to_owned());
    // The first key signs at once; nothing else is due for three quarters of an hour.
    check(&[], 0, &[Due::Make(ALWAYS)]);
    check(&[first()], 0, &[]);
    check(&[first()], 44, &[]);
    check(&[first()], 45, &[Due::Make(at(60))]);
    check(&[first(), key("b", 45, 60)], 45, &[]);
    check(&[first(), key("b", 45, 60)], 70, &[]);
    check(&[first(), key("b", 45, 60)], 71, &[delete("a")]);
    check(&[key("b", 45, 60)], 104, &[]);
    check(&[key("b", 45, 60)], 105, &[Due::Make(at(120))]);
    // Nobody was there for a day: the old key goes on until the new one has been published for long enough.
    check(&[key("b", 45, 60)], 1500, &[Due::Make(at(1515))]);
    check(&[key("b", 45, 60), key("c", 1500, 1515)], 1514, &[]);
    // A key made by command begins a new hour.
    check(&[first(), key("b", 5, 20)], 30, &[]);
    check(&[key("b", 5, 20)], 65, &[Due::Make(at(80))]);
    // The clock was set back, and every key is of the future: somebody has to sign.
    check(&[key("b", 45, 60)], 0, &[Due::Make(ALWAYS)]);
}

#[test]
fn a_longer_lifetime_is_written_on_keys_that_will_sign_and_on_no_others() {
    let keys = [first(), key("b", 45, 60), key("c", 61, 76)];
    let longer = RotationPolicy { token_lifetime: Duration::from_secs(1200), ..POLICY };
    let lengthen = |kid: &str| Due::Lengthen(kid.to_owned());
    assert_eq!(due(&keys, at(62), &longer), [lengthen("b"), lengthen("c")]);
    // A shorter one changes nothing: tokens of the longer one are about.
    let shorter = RotationPolicy { token_lifetime: Duration::from_secs(60), ..POLICY };
    assert_eq!(due(&keys, at(62), &shorter), []);
    assert_eq!(state(&keys[0], &keys, at(70)), KeyState::Published);
}

#[test]
fn who_takes_over_from_a_key_that_is_revoked() {
    let keys = [first(), key("b", 45, 60), key("c", 105, 120)];
    let check = |kid: &str, keys: &[KeyLabel], minutes: i64, expected: Replacement| {
        assert_eq!(replacement(kid, keys, at(minutes)), expected, "{kid} at {minutes}");
    };
    check("b", &keys, 110, Replacement::Next("c".to_owned()));
    check("b", &keys[..2], 100, Replacement::New);
    check("a", &keys[..1], 10, Replacement::New);
    check("a", &keys, 65, Replacement::None);
    check("c", &keys, 110, Replacement::None);
    check("another", &keys, 110, Replacement::None);
}

#[test]
fn of_two_keys_of_one_time_one_signs_and_everybody_says_which() {
    let keys = [key("x", 0, 10), key("y", 0, 10)];
    assert_eq!(
        keys.each_ref().map(|key| state(key, &keys, at(11))),
        [KeyState::Published, KeyState::Signing]
    );
}
