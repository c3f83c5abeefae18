//! `users set-role`, `disable`, `enable`, `delete` and `end-sessions`. Each prints what the account is now, or was.

use super::Operator;
use super::printed::PrintedAccount;
use crate::accounts::administration::AccountChange;
use crate::accounts::{AccountStatus, Role};
use crate::cli::Account;
use crate::db::administration;
use crate::db::users::User;

/// Gives an account another role.
pub(super) async fn set_role(operator: &Operator, account: &Account, role: Role) -> anyhow::Result<()> {
    change(operator, account, AccountChange { role: Some(role), status: None }).await
}

/// Keeps an account from logging in.
pub(super) async fn disable(operator: &Operator, account: &Account) -> anyhow::Result<()> {
    change(operator, account, AccountChange { role: None, status: Some(AccountStatus::Disabled) }).await
}

/// Lets it log in again.
pub(super) async fn enable(operator: &Operator, account: &Account) -> anyhow::Result<()> {
    change(operator, account, AccountChange { role: None, status: Some(AccountStatus::Active) }).await
}

async fn change(operator: &Operator, account: &Account, change: AccountChange) -> anyhow::Result<()> {
    let id = operator.find(&account.handle).await?.id;
    let user = administration::change_account(&operator.database, &operator.mandate(), id, &change).await?;
    finish(operator, account, &user).await
}

/// Takes an account away.
pub(super) async fn delete(operator: &Operator, account: &Account) -> anyhow::Result<()> {
    let id = operator.find(&account.handle).await?.id;
    let user = administration::delete_account(&operator.database, &operator.mandate(), id).await?;
    finish(operator, account, &user).await
}

/// Ends all sessions of an account.
pub(super) async fn end_sessions(operator: &Operator, account: &Account) -> anyhow::Result<()> {
    let id = operator.find(&account.handle).await?.id;
    let user = administration::end_sessions_of(&operator.database, &operator.mandate(), id).await?;
    finish(operator, account, &user).await
}

async fn finish(operator: &Operator, account: &Account, user: &User) -> anyhow::Result<()> {
    operator.tell_replicas().await;
    PrintedAccount::from(user).print_changed(account.json)
}
