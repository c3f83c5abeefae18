//! Getting PostgreSQL onto a machine that has none.

use std::path::Path;
use std::process::Command;

use crate::binaries::{Binaries, find};
use crate::error::{Doing, Error, Result};

const DEBIAN: &str = "apt-get install postgresql";
const MAC: &str = "brew install postgresql@17";
const OTHER: &str = "install your distribution's PostgreSQL server package (14 or newer), or set DATABASE_URL to a server you run";

/// The installed programs. Where there are none, Debian's package is installed if the caller may do
/// that; `say` is told before anything is done.
pub fn provide(say: impl FnOnce(&str)) -> Result<Vec<Binaries>> {
    let found = find();
    if !found.is_empty() {
        return Ok(found);
    }
    let Some(prefix) = privilege() else {
        return Err(Error::NotInstalled { how: advice() });
    };
    say(&format!(
        "PostgreSQL is not installed; running `{}{DEBIAN}`. (Debian also makes a cluster of its own \
         on port 5432 then, which Portcullis does not touch.)",
        prefix.map(|sudo| format!("{sudo} ")).unwrap_or_default()
    ));
    apt_get(prefix, &["update", "--quiet"])?;
    apt_get(prefix, &["install", "--quiet", "--yes", "--no-install-recommends", "postgresql"])?;
    match find() {
        found if found.is_empty() => Err(Error::NotInstalled { how: OTHER }),
        found => Ok(found),
    }
}

/// How `apt-get` may be run here: `None`, not at all; else with this in front.
fn privilege() -> Option<Option<&'static str>> {
    let debian = Path::new("/etc/debian_version").exists() && on_path("apt-get");
    match () {
        () if !debian => None,
        () if rustix::process::geteuid().is_root() => Some(None),
        () if on_path("sudo") => Some(Some("sudo")),
        () => None,
    }
}

fn advice() -> &'static str {
    match () {
        () if Path::new("/etc/debian_version").exists() => DEBIAN,
        () if cfg!(target_os = "macos") => MAC,
        () => OTHER,
    }
}

fn apt_get(prefix: Option<&str>, arguments: &[&str]) -> Result<()> {
    let words = prefix.into_iter().chain([
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-oDPkg::Lock::Timeout=300",
    ]);
    let words: Vec<&str> = words.chain(arguments.iter().copied()).collect();
    let status =
        Command::new(words[0]).args(&words[1..]).status().doing(|| format!("running {}", words.join(" ")))?;
    if status.success() { Ok(()) } else { Err(Error::Install { status }) }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}
