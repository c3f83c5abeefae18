//! `serve`: from the settings to the end of the last request.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use business_api::config::Config;
use business_api::db::{MIGRATIONS, Orders};
use business_api::readiness::Readiness;
use business_api::routes;
use database::Database;
use database::migrations::{self, MigrationError};
use http_api::HttpMetrics;
use process::{Mode, private, shutdown};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::{info, warn};

/// Between two looks for a database that is away.
const PAUSE: Duration = Duration::from_millis(250);

/// Serves until SIGTERM, and then until what is in flight is done.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    config.log.init();
    let mut stop = pin!(shutdown::signal()?);
    let orders = Orders::new(Database::new(&config.database_url, config.database_pool)?);
    let mut registry = Registry::default();
    let metrics = HttpMetrics::register(&mut registry);
    let readiness = Arc::new(Readiness::new(orders.clone(), registry).in_mode(config.mode));
    let private_listener = bind("ADMIN_LISTEN", config.admin_listen).await?;
    tokio::spawn(private::serve(private_listener, Arc::clone(&readiness)));
    tokio::select! {
        prepared = prepare_schema(&config) => prepared?,
        _ = &mut stop => return Ok(()),
    }
    let listener = bind("LISTEN", config.listen).await?;
    readiness.set_serving(true);
    info!(listen = %config.listen, admin_listen = %config.admin_listen, mode = %config.mode, "serving");
    let router = routes::router(orders, config.verifier, metrics);
    http_api::serve(listener, router, async {
        let signal = stop.await;
        readiness.set_serving(false);
        info!(signal, "stopping");
    })
    .await;
    Ok(())
}

/// Development migrates by itself; production leaves that to whoever deploys. A database that is away is waited for.
async fn prepare_schema(config: &Config) -> anyhow::Result<()> {
    let mut told = false;
    loop {
        let pending = match config.mode {
            Mode::Development => migrations::run(&config.database_url, MIGRATIONS).await.map(|_| Vec::new()),
            Mode::Production => migrations::pending(&config.database_url, MIGRATIONS).await,
        };
        match pending {
            Ok(pending) if pending.is_empty() => return Ok(()),
            Ok(pending) => bail!("the schema is behind ({}); run `business-api migrate`", pending.join(", ")),
            Err(MigrationError::Connect(error)) if !told => {
                warn!(error = &error as &dyn std::error::Error, "the database is away; waiting for it");
                told = true;
            }
            Err(MigrationError::Connect(_)) => {}
            Err(error @ MigrationError::Failed(_)) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{setting}: cannot listen on {address}"))
}
