//! `check-config`: would `serve` accept these settings?

use std::io::{Write as _, stdout};

use process::Settings;

use crate::config::Config;

/// Prints `OK`, or fails with everything that is wrong.
///
/// # Errors
/// The complaints, one a line.
pub fn check_config(settings: Settings) -> anyhow::Result<()> {
    let config = Config::read(settings)?;
    writeln!(stdout(), "OK ({})", config.mode)?;
    Ok(())
}
