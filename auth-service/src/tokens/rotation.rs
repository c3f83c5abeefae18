//! When a signing key is published, signs, and is done: the rules, on nothing but the keys' times.
//!
//! A key is published from its making on, signs from `signs_from` until that of the key after it, and stays published until
//! the last token that it signed is dead. All times are the database's. Nothing here is stored: a key's state follows from
//! what is sealed with it and with its successor, so nobody can retire or revive one by writing to the table.

use std::time::Duration;

use time::OffsetDateTime;

use super::signing_key::Algorithm;

/// A key stays published for this much longer than its last token lives: clocks differ by seconds.
pub const MARGIN: Duration = Duration::from_secs(60);

/// `signs_from` of a key that signs whatever the time is, because there is no other.
pub const ALWAYS: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

/// The longest that a token may live, whatever the settings say.
pub const LONGEST_TOKEN: Duration = Duration::from_secs(86_400);

/// What is known of a key without opening its box; all of it is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLabel {
    /// The key's name.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Its times.
    pub times: KeyTimes,
}

/// The times of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTimes {
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// From when it signs.
    pub signs_from: OffsetDateTime,
    /// How long the tokens that it signs live at most.
    pub token_lifetime: Duration,
}

impl KeyTimes {
    /// When its turn begins or began: the key that signs [`ALWAYS`] began when it was made.
    #[must_use]
    pub fn begins(&self) -> OffsetDateTime {
        self.signs_from.max(self.created_at)
    }
}

/// How often keys change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    /// `KEY_ROTATION`: how long a key signs.
    pub every: Duration,
    /// `KEY_PUBLISH_AHEAD`: how long it is published before. Longer than any verifier keeps a key set.
    pub publish_ahead: Duration,
    /// `JWT_ACCESS_TTL`: how long this process wants its tokens to live.
    pub token_lifetime: Duration,
}

/// What a key does at some time. The words are those of `keys list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, and signs later.
    Next,
    /// Published, and signs.
    Signing,
    /// Published, for the tokens that it signed.
    Published,
    /// Done: not published any more.
    Retired,
}

impl KeyState {
    /// The state as it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Published => "published",
            Self::Retired => "retired",
        }
    }
}

/// What has to be done about the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A key has to be made that signs from then on.
    Make(OffsetDateTime),
    /// The tokens of this key are to live longer than it says; it must say so first.
    Lengthen(String),
    /// The key is retired; nothing needs it.
    Delete(String),
}

/// Who signs in the place of a key that is taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacement {
    /// Nobody has to: it was not the one that signed.
    None,
    /// The next one, at once: verifiers may have it already.
    Next(String),
    /// A new one, at once.
    New,
}

/// The order in which keys sign. Of those whose time has come the last one does.
#[must_use]
pub fn turn(label: &KeyLabel) -> (OffsetDateTime, &str) {
    (label.times.signs_from, &label.kid)
}

/// The state of one of `keys` at `now`.
#[must_use]
pub fn state(key: &KeyLabel, keys: &[KeyLabel], now: OffsetDateTime) -> KeyState {
    if key.times.signs_from > now {
        return KeyState::Next;
    }
    let later = keys.iter().filter(|other| turn(other) > turn(key));
    match later.map(|other| other.times.signs_from).min() {
        None => KeyState::Signing,
        Some(ends) if ends > now => KeyState::Signing,
        Some(ends) if ends + key.times.token_lifetime + MARGIN > now => KeyState::Published,
        Some(_) => KeyState::Retired,
    }
}

/// What has to be done at `now`; nothing, almost always.
#[must_use]
pub fn due(keys: &[KeyLabel], now: OffsetDateTime, policy: &RotationPolicy) -> Vec<Due> {
    let mut due: Vec<_> = new_key(keys, now, policy).map(Due::Make).into_iter().collect();
    for key in keys {
        match state(key, keys, now) {
            KeyState::Retired => due.push(Due::Delete(key.kid.clone())),
            KeyState::Next | KeyState::Signing if key.times.token_lifetime < policy.token_lifetime => {
                due.push(Due::Lengthen(key.kid.clone()));
            }
            KeyState::Next | KeyState::Signing | KeyState::Published => {}
        }
    }
    due
}

/// From when a key signs that has to be made now, if one has to.
fn new_key(keys: &[KeyLabel], now: OffsetDateTime, policy: &RotationPolicy) -> Option<OffsetDateTime> {
    let Some(signing) = find(keys, now, KeyState::Signing) else { return Some(ALWAYS) };
    let takes_over = now + policy.publish_ahead;
    let is_due =
        find(keys, now, KeyState::Next).is_none() && signing.times.begins() + policy.every <= takes_over;
    is_due.then_some(takes_over)
}

/// The key that signs next, if it has been made.
#[must_use]
pub fn next(keys: &[KeyLabel], now: OffsetDateTime) -> Option<&KeyLabel> {
    find(keys, now, KeyState::Next)
}

/// Who takes over when one of `keys` is taken away.
#[must_use]
pub fn replacement(kid: &str, keys: &[KeyLabel], now: OffsetDateTime) -> Replacement {
    match find(keys, now, KeyState::Signing) {
        Some(signing) if signing.kid == kid => {
            next(keys, now).map_or(Replacement::New, |next| Replacement::Next(next.kid.clone()))
        }
        _ => Replacement::None,
    }
}

/// Of the keys in a state the one whose turn is first.
fn find(keys: &[KeyLabel], now: OffsetDateTime, wanted: KeyState) -> Option<&KeyLabel> {
    keys.iter().filter(|key| state(key, keys, now) == wanted).min_by_key(|key| turn(key))
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
