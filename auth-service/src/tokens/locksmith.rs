//! What happens to the signing keys: rows of the table in, changes to it out.
//!
//! When is decided in [`super::rotation`], how boxes are closed in [`super::key_box`]. Whoever applies the changes holds a
//! lock from the reading of the rows on, so that two replicas never answer the same rows twice.

use time::OffsetDateTime;

use super::key_box::{BoxKeys, NotResealed, SealedKey};
use super::root::RootSecrets;
use super::rotation::{
    self, Due, KeyLabel, KeyState, KeyTimes, LONGEST_TOKEN, MARGIN, Replacement, RotationPolicy,
};
use super::sealing::Unopened;
use super::signing_key::{Algorithm, SigningKey, UnusableKey};

/// The rows of `signing_keys` and the database's time when they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKeys {
    /// The database's time.
    pub now: OffsetDateTime,
    /// All rows, opened by nobody yet.
    pub keys: Vec<SealedKey>,
}

/// One change to the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// A new row.
    Insert(SealedKey),
    /// The row of that name is closed anew.
    Replace(SealedKey),
    /// The row goes.
    Delete(String),
    /// The row goes, and gateways are told until then that the key is no good.
    Revoke(String, OffsetDateTime),
}

/// Changes, and what they come to in the caller's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<T> {
    /// To be applied together.
    pub changes: Vec<KeyChange>,
    /// What the caller wants to know.
    pub outcome: T,
}

/// The keys that opened, and the rows that did not.
#[derive(Debug, Default)]
pub struct Opened {
    /// Ready to sign.
    pub keys: Vec<SigningKey>,
    /// Left out.
    pub refused: Vec<(SealedKey, Unopened)>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NotDone {
    /// There are keys, and `JWT_SECRET` opens none of them. None is made then: two secrets at work are a mistake.
    #[error("JWT_SECRET opens none of the {0} signing keys in the database")]
    NoneOpens(usize),
    /// No key of that name.
    #[error("there is no signing key {0}")]
    UnknownKey(String),
    /// The library failed.
    #[error("no signing key can be made")]
    Make(#[from] UnusableKey),
    /// A box that had opened could not be closed anew.
    #[error("a signing key cannot be sealed anew")]
    Reseal(#[from] NotResealed),
}

/// What a revocation came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The key that signs in its place, if it was the one that signed.
    pub signs_now: Option<String>,
}

/// What [`Locksmith::reencrypt`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reencrypted {
    /// How many boxes were moved to the current secret.
    pub moved: usize,
    /// The keys that did not open and stay as they are.
    pub refused: Vec<String>,
}

/// Makes keys, and takes them away.
#[derive(Debug)]
pub struct Locksmith {
    boxes: BoxKeys,
    algorithm: Algorithm,
    policy: RotationPolicy,
}

impl Locksmith {
    /// One that makes keys of that algorithm.
    #[must_use]
    pub fn new(secrets: &RootSecrets, algorithm: Algorithm, policy: RotationPolicy) -> Self {
        Self { boxes: BoxKeys::new(secrets), algorithm, policy }
    }

    /// How often keys change.
    #[must_use]
    pub const fn policy(&self) -> &RotationPolicy {
        &self.policy
    }

    /// Opens what opens.
    ///
    /// # Errors
    /// [`NotDone::NoneOpens`] if there are rows and none does.
    pub fn open(&self, stored: &StoredKeys) -> Result<Opened, NotDone> {
        let mut opened = Opened::default();
        for sealed in &stored.keys {
            match self.boxes.open(sealed) {
                Ok(key) => opened.keys.push(key),
                Err(why) => opened.refused.push((sealed.clone(), why)),
            }
        }
        if opened.keys.is_empty() && !stored.keys.is_empty() {
            return Err(NotDone::NoneOpens(stored.keys.len()));
        }
        Ok(opened)
    }

    /// Whether [`Locksmith::tend`] would change anything.
    #[must_use]
    pub fn is_due(&self, opened: &Opened, now: OffsetDateTime) -> bool {
        !rotation::due(&opened.labels(), now, &self.policy).is_empty()
    }

    /// What time has brought: a key to make, one to lengthen, one that is done.
    ///
    /// # Errors
    /// [`NotDone`]
    pub fn tend(&self, stored: &StoredKeys) -> Result<Changes<()>, NotDone> {
        let labels = self.open(stored)?.labels();
        let due = rotation::due(&labels, stored.now, &self.policy);
        let changes = due.into_iter().map(|due| match due {
            Due::Make(signs_from) => Ok(KeyChange::Insert(self.make(stored.now, signs_from)?)),
            Due::Lengthen(kid) => {
                let token_lifetime = self.policy.token_lifetime;
                self.with_times(stored, &kid, |times| KeyTimes { token_lifetime, ..times })
            }
            Due::Delete(kid) => Ok(KeyChange::Delete(kid)),
        });
        Ok(Changes { changes: changes.collect::<Result<_, NotDone>>()?, outcome: () })
    }

    /// Makes the next key, unless there is one; the answer is its label.
    ///
    /// # Errors
    /// [`NotDone`]
    pub fn rotate(&self, stored: &StoredKeys) -> Result<Changes<KeyLabel>, NotDone> {
        let labels = self.open(stored)?.labels();
        if let Some(next) = rotation::next(&labels, stored.now) {
            return Ok(Changes { changes: Vec::new(), outcome: next.clone() });
        }
        let signs_from =
            if labels.is_empty() { rotation::ALWAYS } else { stored.now + self.policy.publish_ahead };
        let made = self.make(stored.now, signs_from)?;
        let outcome = made.label.clone();
        Ok(Changes { changes: vec![KeyChange::Insert(made)], outcome })
    }

    /// Takes a key away at once. Its row need not open.
    ///
    /// # Errors
    /// [`NotDone`]
    pub fn revoke(&self, stored: &StoredKeys, kid: &str) -> Result<Changes<Revoked>, NotDone> {
        let labels = self.open(stored)?.labels();
        if !stored.keys.iter().any(|key| key.label.kid == kid) {
            return Err(NotDone::UnknownKey(kid.to_owned()));
        }
        let label = labels.iter().find(|label| label.kid == kid);
        let lifetime = label.map_or(LONGEST_TOKEN, |label| label.times.token_lifetime);
        let mut changes = vec![KeyChange::Revoke(kid.to_owned(), stored.now + lifetime + MARGIN)];
        let replacement = match rotation::replacement(kid, &labels, stored.now) {
            Replacement::None => None,
            Replacement::Next(next) => {
                let signs_from = stored.now;
                Some(self.with_times(stored, &next, |times| KeyTimes { signs_from, ..times })?)
            }
            Replacement::New => Some(KeyChange::Insert(self.make(stored.now, stored.now)?)),
        };
        let signs_now = replacement.as_ref().map(|change| change.kid().to_owned());
        changes.extend(replacement);
        Ok(Changes { changes, outcome: Revoked { signs_now } })
    }

    /// Moves every box to the current secret, so that the previous ones are not needed for them any more.
    ///
    /// # Errors
    /// [`NotDone`]
    pub fn reencrypt(&self, stored: &StoredKeys) -> Result<Changes<Reencrypted>, NotDone> {
        let opened = self.open(stored)?;
        let refused: Vec<_> = opened.refused.into_iter().map(|(sealed, _why)| sealed.label.kid).collect();
        let old = stored.keys.iter().filter(|sealed| !self.boxes.is_current(sealed));
        let old = old.filter(|sealed| !refused.contains(&sealed.label.kid));
        let changes: Vec<_> = old
            .map(|sealed| Ok(KeyChange::Replace(self.boxes.under_current(sealed)?)))
            .collect::<Result<_, NotDone>>()?;
        Ok(Changes { outcome: Reencrypted { moved: changes.len(), refused }, changes })
    }

    fn make(&self, created_at: OffsetDateTime, signs_from: OffsetDateTime) -> Result<SealedKey, NotDone> {
        let times = KeyTimes { created_at, signs_from, token_lifetime: self.policy.token_lifetime };
        Ok(self.boxes.make(self.algorithm, times)?)
    }

    fn with_times(
        &self,
        stored: &StoredKeys,
        kid: &str,
        change: impl FnOnce(KeyTimes) -> KeyTimes,
    ) -> Result<KeyChange, NotDone> {
        let sealed = stored.keys.iter().find(|key| key.label.kid == kid);
        let sealed = sealed.ok_or_else(|| NotDone::UnknownKey(kid.to_owned()))?;
        Ok(KeyChange::Replace(self.boxes.with_times(sealed, change(sealed.label.times))?))
    }
}

impl Opened {
    /// The labels of the keys that opened.
    #[must_use]
    pub fn labels(&self) -> Vec<KeyLabel> {
        self.keys.iter().map(|key| key.label().clone()).collect()
    }

    /// The keys that are to be published at `now`.
    #[must_use]
    pub fn published(self, now: OffsetDateTime) -> Vec<SigningKey> {
        let labels = self.labels();
        let wanted = |key: &SigningKey| rotation::state(key.label(), &labels, now) != KeyState::Retired;
        self.keys.into_iter().filter(wanted).collect()
    }
}

impl KeyChange {
    /// The key that changes.
    #[must_use]
    pub fn kid(&self) -> &str {
        match self {
            Self::Insert(sealed) | Self::Replace(sealed) => &sealed.label.kid,
            Self::Delete(kid) | Self::Revoke(kid, _) => kid,
        }
    }
}

#[cfg(test)]
mod tests;
