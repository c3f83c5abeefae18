//! The gateway: `gateway --config F` serves; `check`, `explain` and `identity-key` answer an operator.

use std::io::{Write as _, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use gateway::cli::{Cli, Command};
use gateway::{
    commands,
    config::Config,
    runtime::{Inherited, Listening},
};
use process::{Settings, shutdown};

fn main() -> ExitCode {
    let done = run(Cli::parse());
    // If standard error is gone too, the exit code still tells.
    let done = done.inspect_err(|error| drop(writeln!(stderr(), "gateway: {error:#}")));
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(Cli { command, config }: Cli) -> Result<()> {
    let config = || config.context("--config FILE is needed");
    let load = |file: &Path| Config::load(file, Settings::load());
    let answer = match command {
        None => {
            let (file, settings) = (config()?, Settings::load());
            let config = Config::load(&file, settings.clone())?;
            let listening = Listening::start(config, Inherited::take()?)?;
            return Ok(listening.reloading(file, settings).serve(shutdown::signal)?);
        }
        Some(Command::Check) => commands::check(&config()?, Settings::load())?,
        Some(Command::Explain(asked)) => commands::explain(&asked.into(), &load(&config()?)?)?,
        Some(Command::IdentityKey { name }) => commands::identity_key(&name, Settings::load())?,
    };
    Ok(writeln!(stdout(), "{}", answer.trim_end())?)
}
