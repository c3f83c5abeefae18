//! Statements to a server, through its own client.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::error::{Doing, Error, Result};

/// A `psql` program.
#[derive(Debug, Clone)]
pub struct Psql {
    program: PathBuf,
}

impl Psql {
    pub(crate) const fn new(program: PathBuf) -> Self {
        Self { program }
    }

    /// Runs statements and gives back the rows, unaligned and without headings. The first error ends it.
    ///
    /// The statements go through standard input: they hold passwords, and arguments are public.
    pub fn run(&self, url: &str, statements: &str) -> Result<String> {
        let mut child = self.command(url).spawn().doing(|| self.running())?;
        if let Some(mut input) = child.stdin.take() {
            // A client that could not connect has closed its input; its own message says why.
            drop(input.write_all(statements.as_bytes()));
        }
        let output = child.wait_with_output().doing(|| self.running())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Err(Error::Program {
            program: "psql".to_owned(),
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// The URL carries a password, so it goes by the environment too, split where `psql` wants it.
    fn command(&self, url: &str) -> Command {
        let mut command = Command::new(&self.program);
        let (address, password) = take_password(url);
        if let Some(password) = password {
            command.env("PGPASSWORD", password);
        }
        command
            .env("LC_ALL", "C")
            .env("PGCONNECT_TIMEOUT", "10")
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set=ON_ERROR_STOP=1", "--no-password", "--dbname"])
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn running(&self) -> String {
        format!("running {}", self.program.display())
    }
}

/// A percent-encoded password stays in the URL, where `psql` decodes it.
fn take_password(url: &str) -> (String, Option<String>) {
    let split = || {
        let (scheme, rest) = url.split_once("://")?;
        let (user, place) = rest.split_once('@')?;
        let (name, password) = user.split_once(':')?;
        let plain = !user.contains('/') && !password.contains('%');
        plain.then(|| (format!("{scheme}://{name}@{place}"), password.to_owned()))
    };
    split().map_or_else(|| (url.to_owned(), None), |(url, password)| (url, Some(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_password_leaves_the_url() {
        let check = |url, address: &str, password: Option<&str>| {
            assert_eq!(take_password(url), (address.to_owned(), password.map(str::to_owned)));
        };
        check("postgres://u:p@h:1/d", "postgres://u@h:1/d", Some("p"));
        check("postgres://u@h/d", "postgres://u@h/d", None);
        check("postgres://u:p%40@h/d", "postgres://u:p%40@h/d", None);
    }
}
