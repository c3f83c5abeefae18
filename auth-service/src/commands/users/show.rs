//! `users show`.

use std::io::{Write as _, stdout};

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Operator;
use super::printed::{PrintedAccount, print_json};
use crate::cli::Account;
use crate::db::administration::{self, Overview};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrintedOverview<'a> {
    user: PrintedAccount<'a>,
    sessions: i64,
    #[serde(with = "time::serde::rfc3339::option")]
    last_login_at: Option<OffsetDateTime>,
    email_verified: bool,
    second_factor: bool,
}

/// Prints an account, one thing a line.
pub(super) async fn show(operator: &Operator, account: &Account) -> anyhow::Result<()> {
    let id = operator.find(&account.handle).await?.id;
    let Overview { user, sessions, last_login_at, email_verified, second_factor } =
        administration::show_account(&operator.database, &operator.mandate(), id).await?;
    if account.json {
        let user = (&user).into();
        let printed = PrintedOverview { user, sessions, last_login_at, email_verified, second_factor };
        return print_json(&printed);
    }
    let last_login = last_login_at.map_or(Ok("-".to_owned()), |time| time.format(&Rfc3339))?;
    let mut out = stdout().lock();
    writeln!(out, "id\t{}", user.id)?;
    writeln!(out, "email\t{}", user.email)?;
    writeln!(out, "role\t{}", user.role)?;
    writeln!(out, "status\t{}", user.status.as_str())?;
    writeln!(out, "created\t{}", user.created_at.format(&Rfc3339)?)?;
    writeln!(out, "sessions\t{sessions}")?;
    writeln!(out, "last login\t{last_login}")?;
    writeln!(out, "email verified\t{}", yes_or_no(email_verified))?;
    writeln!(out, "second factor\t{}", yes_or_no(second_factor))?;
    Ok(())
}

const fn yes_or_no(fact: bool) -> &'static str {
    if fact { "yes" } else { "no" }
}
