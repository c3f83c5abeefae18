//! `users reset-second-factor`.

use std::io::{Write as _, stdout};

use anyhow::{anyhow, bail};

use super::Operator;
use crate::accounts::Email;
use crate::db::administration::NotDone;
use crate::db::second_factors::{self, OperatorReset};

/// Removes the second factor of an account whose owner can show it no more.
///
/// # Errors
/// There is no such account, it has no second factor, or the database is away.
pub(super) async fn reset_second_factor(operator: &Operator, email: &str) -> anyhow::Result<()> {
    let email = Email::parse(email).map_err(|error| anyhow!("the e-mail address {error}"))?;
    match second_factors::reset_by_operator(&operator.database, &email).await? {
        OperatorReset::Removed => writeln!(stdout(), "the second factor is removed")?,
        OperatorReset::HadNone => bail!("the account has no second factor"),
        OperatorReset::NoSuchUser => return Err(NotDone::NoSuchUser.into()),
    }
    Ok(())
}
