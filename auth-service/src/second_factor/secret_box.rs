//! The secrets of authenticator apps as they lie in the database: each one AES-256-GCM box.
//!
//! Whose it is and which enrolment are sealed with it, so a box that is moved to another row opens no more.

use secret::Secret;

use super::factor::FactorId;
use crate::accounts::UserId;
use crate::tokens::RootSecrets;
use crate::tokens::sealing::{NotSealed, Sealed, SealingKeys, Unopened};

/// The HKDF label of the key that boxes are closed with.
const LABEL: &[u8] = b"portcullis/second-factor/v1";

/// A secret in its box.
pub type SealedSecret = Sealed;

/// The keys that close and open boxes: the current secret's closes, all of them open.
#[derive(Debug)]
pub struct FactorBoxes(SealingKeys);

impl FactorBoxes {
    /// Derives the keys.
    #[must_use]
    pub fn new(secrets: &RootSecrets) -> Self {
        Self(SealingKeys::new(secrets, LABEL))
    }

    /// Closes a box around an account's secret.
    ///
    /// # Errors
    /// [`NotSealed`] without randomness.
    pub fn seal(
        &self,
        user: UserId,
        factor: FactorId,
        secret: &Secret<Vec<u8>>,
    ) -> Result<SealedSecret, NotSealed> {
        self.0.seal(secret, &associated_data(user, factor))
    }

    /// Opens a box.
    ///
    /// # Errors
    /// [`Unopened`] when it is another account's, or sealed under a secret that is not configured.
    pub fn open(
        &self,
        user: UserId,
        factor: FactorId,
        sealed: &SealedSecret,
    ) -> Result<Secret<Vec<u8>>, Unopened> {
        self.0.open(sealed, &associated_data(user, factor))
    }

    /// Whether a box is under the current secret.
    #[must_use]
    pub fn is_current(&self, sealed: &SealedSecret) -> bool {
        self.0.is_current(sealed.secret_id)
    }
}

/// Each part has a length of its own, so they cannot be shifted.
fn associated_data(user: UserId, factor: FactorId) -> Vec<u8> {
    [b"totp\0".as_slice(), user.0.as_bytes(), factor.0.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(current: u8, previous: &[u8]) -> FactorBoxes {
        let secret = |byte| Secret::new(vec![byte; 32]);
        let previous: Vec<_> = previous.iter().copied().map(secret).collect();
        FactorBoxes::new(&RootSecrets::new(&secret(current), &previous))
    }

    #[test]
    fn a_box_opens_for_its_account_and_enrolment_only() {
        let (user, factor) = (UserId::generate(), FactorId::generate());
        let secret = Secret::new(vec![7; 20]);
        let sealed = boxes(1, &[]).seal(user, factor, &secret).unwrap();
        assert_eq!(boxes(2, &[1]).open(user, factor, &sealed), Ok(secret));
        assert!(!boxes(2, &[1]).is_current(&sealed) && boxes(1, &[]).is_current(&sealed));
        for (user, factor) in [(UserId::generate(), factor), (user, FactorId::generate())] {
            assert_eq!(boxes(1, &[]).open(user, factor, &sealed), Err(Unopened::Tampered));
        }
        assert_eq!(boxes(2, &[]).open(user, factor, &sealed), Err(Unopened::UnknownSecret));
    }
}
