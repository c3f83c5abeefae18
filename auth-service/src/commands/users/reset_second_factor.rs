//! `users reset-second-factor`.

use anyhow::bail;

use super::Operator;
use super::printed::PrintedAccount;
use crate::cli::Account;
use crate::db::administration::NotDone;
use crate::db::second_factors::{self, OperatorReset};

/// Removes the second factor of an account whose owner can show it no more, and prints whose it was.
///
/// # Errors
/// There is no such account, it has no second factor, or the database is away.
pub(super) async fn reset_second_factor(operator: &Operator, account: &Account) -> anyhow::Result<()> {
    let user = operator.find(&account.handle).await?;
    match second_factors::reset_by_operator(&operator.database, user.id).await? {
        OperatorReset::Removed => PrintedAccount::from(&user).print_changed(account.json),
        OperatorReset::HadNone => bail!("the account has no second factor"),
        OperatorReset::NoSuchUser => Err(NotDone::NoSuchUser.into()),
    }
}
