//! Which ports, and who is in the way.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::proc_net::Holder;

/// The gateway's port, and with it all others.
pub(crate) const DEFAULT: u16 = 8080;

/// Longer than the gateway drains.
const LEFTOVER: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);

/// The ports of one Portcullis: everything follows from the gateway's, so one number moves them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) gateway: u16,
}

impl Ports {
    pub(crate) const fn auth(self) -> u16 {
        self.gateway + 1
    }

    pub(crate) const fn orders(self) -> u16 {
        self.gateway + 2
    }

    /// The private port that belongs to a public one.
    pub(crate) const fn admin(port: u16) -> u16 {
        port + 1000
    }

    /// Where a test serves pages that are allowed to call the gateway.
    pub(crate) const fn frontend(self) -> u16 {
        self.gateway + 3
    }

    /// Where a test serves pages that are not.
    pub(crate) const fn foreign(self) -> u16 {
        self.gateway + 4
    }

    pub(crate) const fn postgres(self) -> u16 {
        self.gateway + 2000
    }

    /// The private listeners, in the order in which the processes are started.
    pub(crate) const fn private(self) -> [(&'static str, u16); 3] {
        [
            ("auth-service", Self::admin(self.auth())),
            ("business-api", Self::admin(self.orders())),
            ("gateway", Self::admin(self.gateway)),
        ]
    }

    fn all(self, with_postgres: bool) -> Vec<(&'static str, u16)> {
        let mut all =
            vec![("gateway", self.gateway), ("auth-service", self.auth()), ("business-api", self.orders())];
        let private: Vec<_> = all.iter().map(|(name, port)| (*name, Self::admin(*port))).collect();
        all.extend(private);
        if with_postgres {
            all.push(("PostgreSQL", self.postgres()));
        }
        all
    }

    /// Ends processes of ours that a killed `up` left on these ports: they run in `folder`, whose lock the
    /// caller holds.
    pub(crate) fn end_leftovers(self, folder: &Path) {
        let ports = self.all(false).into_iter().filter(|(_, port)| !is_free(*port));
        let holders = ports.filter_map(|(_, port)| Holder::of(port)).filter(|holder| holder.runs_in(folder));
        for holder in holders {
            println!("==> ending {holder}, which a killed `up` left behind");
            holder.terminate();
            let end = Instant::now() + LEFTOVER;
            while holder.is_alive() && Instant::now() < end {
                std::thread::sleep(POLL);
            }
        }
    }

    /// Fails when a port is taken, naming the port, its holder and the way out.
    pub(crate) fn check_free(self, with_postgres: bool) -> Result<()> {
        let taken: Vec<_> = self
            .all(with_postgres)
            .into_iter()
            .filter(|(_, port)| !is_free(*port))
            .map(|(name, port)| format!("  port {port}, wanted by {name}, is in use by {}", describe(port)))
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        bail!(
            "ports are in use:\n{}\nStop what holds them, or choose others: `cargo xtask up --port {}` (or PORT \
             in the environment or in .env) moves all of them together.",
            taken.join("\n"),
            Self::find_free(self.gateway + 10).map_or(self.gateway + 100, |ports| ports.gateway)
        )
    }

    /// The first free block from `start` on.
    pub(crate) fn find_free(start: u16) -> Result<Self> {
        (start..start.saturating_add(900))
            .step_by(10)
            .map(|gateway| Self { gateway })
            .find(|ports| ports.all(true).iter().all(|(_, port)| is_free(*port)))
            .with_context(|| format!("no block of free ports from {start} on"))
    }
}

fn describe(port: u16) -> String {
    Holder::of(port).map_or_else(|| "another program".to_owned(), |holder| holder.to_string())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
