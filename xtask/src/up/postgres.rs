//! The database behind `up`: a private cluster, or the server that `DATABASE_URL` names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use postgres_cluster::{Binaries, Cluster, Error, Options, Running};

use super::{readable, say};
use crate::stack::database::Server;
use crate::stack::secrets::Settings;
use crate::{packages, workspace};

/// A database server, before and while it runs.
#[derive(Debug)]
pub(crate) enum Postgres {
    /// A cluster of this checkout's, not running.
    Private(Cluster),
    /// The same, running.
    Running(Running),
    /// Somebody else's server.
    Given(Server),
}

impl Postgres {
    /// `DATABASE_URL` wins over a private cluster.
    pub(crate) fn choose(settings: &Settings) -> Result<Self> {
        match settings.get("DATABASE_URL") {
            Some(url) => Ok(Self::Given(given(url)?)),
            None => Ok(Self::Private(cluster(&packages::postgres()?)?)),
        }
    }

    /// Whether it needs a port of ours.
    pub(crate) const fn is_private(&self) -> bool {
        !matches!(self, Self::Given(_))
    }

    /// Starts a private cluster on `port`; a given server is running already.
    pub(crate) fn start(self, port: u16) -> Result<Self> {
        let Self::Private(cluster) = self else {
            return Ok(self);
        };
        let folder = cluster.folder().to_owned();
        say(&format!("starting PostgreSQL {} in {}", cluster.binaries().version(), readable(&folder)));
        if !folder.starts_with(workspace::state()) {
            println!("    (there, because the user that runs it for root cannot reach this checkout)");
        }
        Ok(Self::Running(cluster.start(&Options { port, durable: true, settings: Vec::new() })?))
    }

    /// The server to prepare, once it runs.
    pub(crate) fn server(&self) -> Result<Server> {
        match self {
            Self::Private(_) => bail!("PostgreSQL is not running"),
            Self::Running(running) => {
                Ok(Server { url: running.superuser_url("postgres"), psql: running.psql().clone() })
            }
            Self::Given(server) => Ok(server.clone()),
        }
    }

    /// Fails when a private cluster has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Self::Running(running) = self
            && running.has_ended()?
        {
            bail!("PostgreSQL ended by itself; {} says why", running.log().display());
        }
        Ok(())
    }

    /// Stops a private cluster; its data stays.
    pub(crate) fn stop(self) -> Result<()> {
        match self {
            Self::Running(running) => Ok(running.stop()?),
            Self::Private(_) | Self::Given(_) => Ok(()),
        }
    }
}

/// Removes the databases and the secrets; the tour's cookies and the gateway's file go too.
pub(crate) fn reset(env_file: &Path) -> Result<()> {
    let settings = if env_file.exists() { Settings::read_or_make(env_file)? } else { Settings::default() };
    say("removing the databases and secrets of this checkout");
    match settings.get("DATABASE_URL") {
        Some(url) => given(url)?.forget()?,
        None => Cluster::destroy(&folder())?,
    }
    Settings::forget_secrets(env_file)?;
    for name in ["gateway.toml", "tour/cookies.txt"] {
        remove(&workspace::state().join(name))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn given(url: String) -> Result<Server> {
    let psql = postgres_cluster::find_psql()
        .context("DATABASE_URL is set, but `psql`, which prepares the databases, is not installed")?;
    Ok(Server { url, psql })
}

fn cluster(installed: &[Binaries]) -> Result<Cluster> {
    let cluster = Cluster::at(&folder(), installed).map_err(|error| match error {
        Error::OtherVersion { .. } => anyhow!("{error}, or start over with `cargo xtask up --reset`"),
        other => other.into(),
    })?;
    cluster.end_leftover()?;
    Ok(cluster)
}

fn folder() -> PathBuf {
    workspace::state().join("postgres")
}
