//! A database per test, cloned from a template that was migrated once.
//!
//! The server is the one at `TEST_DATABASE_URL`; its user must be allowed to create databases.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio_postgres::{Client, NoTls};

use crate::wait::eventually;

/// The address of the test server.
pub fn server_url() -> String {
    std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| {
        panic!(
            "TEST_DATABASE_URL is not set. `cargo xtask test` starts a PostgreSQL and sets it; \
             for single tests point it at a server of yours, as a user that may create databases."
        )
    })
}

/// A database of one test's own, dropped when the value is.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// A migrated database. `folder` names the migrations under `migrations/`, such as `auth`.
    ///
    /// `migrate` gets the URL of an empty database and runs once per set of migrations and server;
    /// later calls, also from other test processes, clone what it left.
    pub async fn create(folder: &str, migrate: impl AsyncFnOnce(&str) -> anyhow::Result<()>) -> Self {
        let template = format!("template_{folder}_{:016x}", fingerprint(&migrations(folder)));
        let admin = connect(&server_url()).await;
        if !is_template(&admin, &template).await {
            make_template(&admin, &template, migrate).await;
        }
        Self::clone_of(&admin, &template).await
    }

    /// A database with nothing in it.
    pub async fn empty() -> Self {
        let admin = connect(&server_url()).await;
        Self::clone_of(&admin, "template0").await
    }

    async fn clone_of(admin: &Client, template: &str) -> Self {
        let name = unique_name();
        execute(admin, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        Self { url: with_database(&server_url(), &name), name }
    }

    /// The URL to give to whatever is tested.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The database's name, for looking it up in the server's statistics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection of the test's own, for looking behind the service's back.
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }
}

impl Drop for TestDatabase {
    /// Drops the database under whoever is still connected.
    ///
    /// A test's runtime may be single-threaded or gone, so this uses one of its own.
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropping = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(
                async {
                    execute(&connect(&server_url()).await, &statement).await;
                },
            );
        });
        // A server that a test has stopped on purpose is no failure; its databases go with it.
        drop(dropping.join());
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("the test server does not take connections: {error:?}"));
    tokio::spawn(connection);
    client
}

async fn execute(client: &Client, statement: &str) {
    client.batch_execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
}

/// Only a finished template carries the mark, so a half-made one is never cloned.
async fn is_template(admin: &Client, name: &str) -> bool {
    admin
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate", &[&name])
        .await
        .expect("the list of databases")
        .is_some()
}

async fn make_template(admin: &Client, name: &str, migrate: impl AsyncFnOnce(&str) -> anyhow::Result<()>) {
    // Held by the connection: tests of other processes wait here and then find the template.
    let lock = format!("SELECT pg_advisory_lock(hashtext('{name}'))");
    execute(admin, &lock).await;
    if !is_template(admin, name).await {
        execute(admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        execute(admin, &format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        migrate(&with_database(&server_url(), name))
            .await
            .unwrap_or_else(|error| panic!("migrating {name}: {error:?}"));
        wait_until_unused(admin, name).await;
        execute(admin, &format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false IS_TEMPLATE true")).await;
    }
    let unlock = format!("SELECT pg_advisory_unlock(hashtext('{name}'))");
    execute(admin, &unlock).await;
}

/// PostgreSQL clones no database that somebody is connected to, and clients close in the background.
async fn wait_until_unused(admin: &Client, name: &str) {
    eventually("the migrations' connection is closed", async || {
        let row = admin
            .query_one("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", &[&name])
            .await
            .expect("the list of connections");
        (row.get::<_, i64>(0) == 0).then_some(())
    })
    .await;
}

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{count}_{}", std::process::id(), now.as_micros())
}

fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, String::new()), |(a, q)| (a, format!("?{q}")));
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    format!("{}/{name}{query}", &address[..end])
}

fn migrations(folder: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    workspace.join("migrations").join(folder)
}

/// Changes with every name and byte under the folder, so an edited migration makes a new template.
fn fingerprint(folder: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_folder(folder, &mut hasher);
    hasher.finish()
}

fn hash_folder(folder: &Path, hasher: &mut DefaultHasher) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    entries.sort();
    for path in entries {
        path.file_name().hash(hasher);
        if path.is_dir() {
            hash_folder(&path, hasher);
        } else {
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_in_a_url_is_replaced() {
        let check = |url, expected| assert_eq!(with_database(url, "new"), expected);
        check("postgres://u:p@h:1/old", "postgres://u:p@h:1/new");
        check("postgres://u@h", "postgres://u@h/new");
        check("postgres://h/old?sslmode=disable", "postgres://h/new?sslmode=disable");
    }

    #[tokio::test]
    async fn a_database_is_empty_at_first_and_gone_afterwards() {
        let database = TestDatabase::empty().await;
        let name = database.name().to_owned();
        let admin = connect(&server_url()).await;
        let exists = async || {
            admin.query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await.unwrap().is_some()
        };
        database.client().await.batch_execute("CREATE TABLE t ()").await.unwrap();
        assert!(exists().await);
        drop(database);
        assert!(!exists().await);
    }
}
