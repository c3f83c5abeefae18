//! Where a stack's databases are, and what differs from the usual settings.

use std::path::Path;

use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use postgres_cluster::TemporaryCluster;
use test_support::TestDatabase;

const AUTH: EmbeddedMigrations = embed_migrations!("../migrations/auth");
const ORDERS: EmbeddedMigrations = embed_migrations!("../migrations/orders");

/// What a test wants to be otherwise. Of two values for one setting the later counts.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further settings of both auth services.
    pub auth: Vec<(&'static str, String)>,
    /// Further settings of both orders APIs.
    pub orders: Vec<(&'static str, String)>,
    /// Further settings of both gateways.
    pub gateway: Vec<(&'static str, String)>,
    /// Further lines of the `[tokens]` table of both gateways.
    pub tokens: String,
    /// By how many seconds the clock of the first auth service is behind, and that of the second ahead.
    pub clock_skew: Option<u32>,
}

impl Options {
    /// Sets one setting of the auth services.
    #[must_use]
    pub fn auth(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.auth.push((name, value.into()));
        self
    }
}

/// The PostgreSQL behind a stack.
#[derive(Debug)]
pub enum Server {
    /// The server that all tests share, with databases of this stack's own.
    Shared {
        /// Users, sessions, keys.
        auth: TestDatabase,
        /// Orders.
        orders: TestDatabase,
    },
    /// A server that a test may stop, and whose log it may read.
    Own(TemporaryCluster),
}

impl Server {
    /// Two databases on the shared server, migrated already.
    pub async fn shared() -> Self {
        Self::Shared {
            auth: TestDatabase::create("auth", async |url| migrate(url, AUTH).await).await,
            orders: TestDatabase::create("orders", async |url| migrate(url, ORDERS).await).await,
        }
    }

    /// A server of its own, with two empty databases and further settings.
    pub fn own(settings: &[(&str, &str)]) -> Self {
        let installed = postgres_cluster::find();
        let cluster = TemporaryCluster::start(&installed, settings).expect("a PostgreSQL of this test's own");
        let running = cluster.running().expect("a started server");
        for name in ["auth", "orders"] {
            running.run("postgres", &format!("CREATE DATABASE {name}")).expect("an empty database");
        }
        Self::Own(cluster)
    }

    /// `DATABASE_URL` of the auth service (`auth`) or the orders API (`orders`).
    pub fn url(&self, which: &str) -> String {
        match self {
            Self::Shared { auth, .. } if which == "auth" => auth.url().to_owned(),
            Self::Shared { orders, .. } => orders.url().to_owned(),
            Self::Own(cluster) => cluster.running().expect("a running server").superuser_url(which),
        }
    }

    /// The server of this stack's own; fails the test when it shares one.
    pub fn cluster(&mut self) -> &mut TemporaryCluster {
        match self {
            Self::Own(cluster) => cluster,
            Self::Shared { .. } => panic!("this stack shares its server with other tests"),
        }
    }

    /// The server's log so far. Only for a server of its own.
    pub fn log(&self) -> String {
        let Self::Own(cluster) = self else { panic!("the shared server's log is not one test's") };
        let path: &Path = cluster.running().expect("a running server").log();
        String::from_utf8_lossy(&std::fs::read(path).expect("the server's log")).into_owned()
    }
}

async fn migrate(url: &str, migrations: EmbeddedMigrations) -> anyhow::Result<()> {
    database::migrations::run(&url.parse()?, migrations).await?;
    Ok(())
}
