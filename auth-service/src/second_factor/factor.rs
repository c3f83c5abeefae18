//! The words a second factor is described in.

use uuid::Uuid;

use super::authenticator::Step;
use super::secret_box::SealedSecret;

/// The id of one enrolment (UUIDv7): a second one is another factor, also with the same account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FactorId(pub Uuid);

impl FactorId {
    /// A new id.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

/// An authenticator app's secret as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factor {
    /// Which enrolment it is.
    pub id: FactorId,
    /// The secret in its box.
    pub secret: SealedSecret,
    /// Whether the app has proved that it has the secret. Until then no login asks for a code.
    pub is_confirmed: bool,
    /// The step of the last code that was taken: it and those before are used up.
    pub last_step: Option<Step>,
}

#[cfg(test)]
pub(super) mod tests {
    use secret::Secret;

    use super::*;
    use crate::accounts::UserId;
    use crate::second_factor::secret_box::FactorBoxes;
    use crate::tokens::RootSecrets;

    /// A factor of somebody's.
    pub(in crate::second_factor) fn factor(is_confirmed: bool) -> Factor {
        let (id, secret) = (FactorId::generate(), Secret::new(vec![7; 32]));
        let boxes = FactorBoxes::new(&RootSecrets::new(&secret, &[]));
        let secret = boxes.seal(UserId::generate(), id, &secret).unwrap();
        Factor { id, secret, is_confirmed, last_step: None }
    }
}
