//! `users reset-link`.

use std::io::{Write as _, stdout};

use database::Database;

use super::DEADLINE;
use crate::accounts::Email;
use crate::config::ResetLinkConfig;
use crate::db::administration::NotDone;
use crate::db::mail_tokens;
use crate::mail::MailToken;

/// Prints a link with which the password of an account can be replaced, once. Links from before are no good any more.
///
/// # Errors
/// There is no such account that is active, or the database is away.
pub(super) async fn reset_link(config: &ResetLinkConfig, email: &str) -> anyhow::Result<()> {
    let email = Email::parse(email).map_err(|error| anyhow::anyhow!("the e-mail address {error}"))?;
    let token = MailToken::generate()?;
    let database = Database::new(&config.database.url, 1)?.with_deadline(DEADLINE);
    if !mail_tokens::make_for_operator(&database, &email, token.hash(), config.lifetime).await? {
        return Err(NotDone::NoSuchUser.into());
    }
    writeln!(stdout(), "{}", config.base.reset_link(&token).expose())?;
    Ok(())
}
