//! What a login answers when the password is right and the account has a second factor: a challenge, and no session.

use crate::app::App;
use crate::db::second_factors::{self, RightPassword};
use crate::error::Error;
use crate::second_factor::FactorId;
use crate::second_factor::login::{METHODS, MfaRequired};
use crate::sessions::Delivery;
use crate::tokens::LoginChallenge;
use crate::tokens::login_challenge::{LIFETIME, PasswordFingerprint};

/// Asks for `factor`. One statement takes the attempt at the password back and records that it was right.
pub async fn require_second_factor(
    app: &App,
    password: &RightPassword<'_>,
    factor: FactorId,
    epoch: i32,
    delivery: Delivery,
) -> Result<MfaRequired, Error> {
    let recorded = second_factors::record_required(&app.database, password).await?;
    let stored = password.rehashed.filter(|_hash| recorded.is_rehashed).unwrap_or(password.verified);
    let challenge = LoginChallenge {
        user: password.user,
        factor,
        epoch,
        password: PasswordFingerprint::of(stored),
        delivery,
        expires_at: recorded.now + LIFETIME,
    };
    let challenge = app.challenge_keys.seal(&challenge)?;
    Ok(MfaRequired { challenge, expires_in: LIFETIME, methods: METHODS })
}
