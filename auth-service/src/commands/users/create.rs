//! `users create`.

use std::io::{IsTerminal as _, Write as _, stderr, stdin, stdout};

use anyhow::{Context as _, bail};

use super::Operator;
use super::printed::PrintedAccount;
use crate::accounts::password_hash::{Cost, PasswordHash};
use crate::accounts::registration::{self, InvalidRegistration};
use crate::accounts::{Email, UserId};
use crate::cli::CreateUser;
use crate::db::administration;
use crate::db::users::NewUser;

/// Makes an account; its password is the first line of standard input. Prints the id.
pub(super) async fn create(operator: &Operator, cost: Cost, account: &CreateUser) -> anyhow::Result<()> {
    let password = read_password()?;
    let email = check(&account.email, &password)?;
    let password_hash = PasswordHash::of(&password, cost)?.secret().clone();
    let new = NewUser { id: UserId::generate(), email, password_hash, role: account.role };
    let made =
        administration::create_account(&operator.database, &operator.mandate(), &new, account.demo).await?;
    if account.json {
        return PrintedAccount::from(&made).print_changed(true);
    }
    writeln!(stdout(), "{}", made.id)?;
    Ok(())
}

fn read_password() -> anyhow::Result<String> {
    if stdin().is_terminal() {
        write!(stderr(), "Password: ")?;
    }
    let mut line = String::new();
    stdin().read_line(&mut line).context("the password is read from standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn check(email: &str, password: &str) -> anyhow::Result<Email> {
    registration::check(email, password).or_else(|InvalidRegistration { email, password }| {
        let email = email.map(|error| format!("the e-mail address {error}"));
        let password = password.map(|error| format!("the password {error}"));
        bail!("{}", email.into_iter().chain(password).collect::<Vec<_>>().join("; "))
    })
}
