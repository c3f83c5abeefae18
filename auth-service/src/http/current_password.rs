//! The current password, asked of somebody who is logged in before anything about their account changes that a thief of the
//! session would want changed. Attempts are counted, and a wrong one is on record.

use secret::Secret;

use super::current_session::NoSession;
use super::throttling;
use crate::accounts::hash_shares;
use crate::accounts::password_change::{self, WrongPassword};
use crate::accounts::password_hash::{self, PasswordHash};
use crate::app::App;
use crate::db::audit::{self, Event, Kind};
use crate::db::sessions;
use crate::db::throttles::Outcome;
use crate::db::users::Credentials;
use crate::error::Error;
use crate::sessions::{CurrentSession, Device};
use crate::throttle::{Purpose, Subject};

/// Who asks for a change, from where, and as what a wrong password is on record.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// In which session.
    pub session: &'a CurrentSession,
    /// From where.
    pub device: &'a Device,
    /// What a refusal is.
    pub refusal: Kind,
}

impl Asking<'_> {
    /// The caller's account, if the password is its.
    pub async fn require(&self, app: &App, password: String) -> Result<Credentials, Error> {
        let found = sessions::find_asking(&app.database, self.session, &app.sessions()).await?;
        let account = found.ok_or(NoSession::Ended)?;
        self.check(app, &account, password).await?;
        Ok(account)
    }

    /// The same for an account that was loaded already.
    pub async fn check(&self, app: &App, account: &Credentials, password: String) -> Result<(), Error> {
        app.hashing.check(hash_shares::Purpose::NewPassword)?;
        let (user, device) = (self.session.user, self.device);
        let attempt = app.throttle.attempt(Purpose::PasswordChange, Subject::User(user), device.address);
        let refund = throttling::count(app, &attempt, Some(user), device).await?;
        let verdict = compare(app, &account.password_hash, password).await;
        match verdict {
            Ok(Ok(())) => {
                throttling::take_back(app, &refund, Outcome::Succeeded).await;
                Ok(())
            }
            Ok(Err(WrongPassword)) => Err(self.refuse(app).await),
            Err(not_compared) => {
                throttling::take_back(app, &refund, Outcome::Void).await;
                Err(not_compared)
            }
        }
    }

    /// Somebody who holds the session does not know the password: that belongs on record.
    pub async fn refuse(&self, app: &App) -> Error {
        let event = Event::refused(self.refusal, self.session, self.device);
        audit::note(&app.database, &event).await;
        WrongPassword.into()
    }
}

/// Compares a password on the hash threads, in the share of new passwords, and lets the rule decide.
pub(super) async fn compare(
    app: &App,
    stored: &Secret<String>,
    password: String,
) -> Result<Result<(), WrongPassword>, Error> {
    let (stored, cost) = (PasswordHash::stored(stored.clone()), app.cost);
    let compare = move || password_hash::compare(&password, Some(&stored), cost);
    let verdict = app.hashing.run(hash_shares::Purpose::NewPassword, compare).await??;
    Ok(password_change::decide(&verdict))
}
