//! `users list`.

use super::Operator;
use super::printed::PrintedAccount;
use crate::accounts::search::Position;
use crate::cli::ListUsers;
use crate::db::administration::{self, AccountFilter};

/// Accounts that are asked for at a time.
const PAGE: i64 = 1_000;

/// Prints all that fit, page by page, however many there are.
pub(super) async fn list(operator: &Operator, accounts: ListUsers) -> anyhow::Result<()> {
    let ListUsers { search, role, status, json } = accounts;
    let filter = AccountFilter { search, role, status };
    let mut after = None;
    loop {
        let (database, mandate) = (&operator.database, operator.mandate());
        let page = administration::list_accounts(database, &mandate, &filter, after.as_ref(), PAGE).await?;
        for user in &page {
            let account = PrintedAccount::from(user);
            if json { account.print_json() } else { account.print() }?;
        }
        let Some(last) = page.last().filter(|_| i64::try_from(page.len()).is_ok_and(|len| len == PAGE))
        else {
            return Ok(());
        };
        after = Some(Position::of(filter.search.as_ref(), last.id, &last.email));
    }
}
