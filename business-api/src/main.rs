//! Settings, schema, listeners, until the stop. Everything else is in the library.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use business_api::config::Config;
use business_api::db::{MIGRATIONS, Orders};
use business_api::probe::OrdersProbe;
use business_api::routes;
use clap::{Parser, Subcommand};
use database::{Database, migrations};
use http_api::HttpMetrics;
use process::{Settings, private, shutdown};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

/// The orders API of Portcullis.
#[derive(Parser)]
#[command(name = "business-api", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve requests (the default).
    Serve,
    /// Bring the database to this version's schema.
    Migrate {
        /// Only name the migrations that would run.
        #[arg(long)]
        plan: bool,
    },
    /// Check the settings and stop.
    CheckConfig,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = Config::read(Settings::load())?;
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(config).await,
        Command::Migrate { plan } => migrate(&config, plan).await,
        Command::CheckConfig => {
            say("the settings are usable");
            Ok(())
        }
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    config.log.init();
    // Before the start can take time, so that a stop during it is not lost.
    let stop = shutdown::signal()?;
    prepare_schema(&config).await?;
    let orders = Orders::new(Database::new(&config.database_url, config.database_pool)?);
    let mut registry = Registry::default();
    let metrics = HttpMetrics::register(&mut registry);
    let probe = Arc::new(OrdersProbe::new(orders.clone(), registry));
    let listener = bind("LISTEN", config.listen).await?;
    let private_listener = bind("ADMIN_LISTEN", config.admin_listen).await?;
    tokio::spawn(private::serve(private_listener, Arc::clone(&probe)));
    tracing::info!(listen = %config.listen, admin_listen = %config.admin_listen, mode = %config.mode, "serving");
    let router = routes::router(orders, config.verifier, metrics);
    http_api::serve(listener, router, async move {
        let signal = stop.await;
        tracing::info!(signal, "stopping");
        probe.drain();
    })
    .await;
    Ok(())
}

/// Development migrates by itself; production leaves that to whoever deploys.
async fn prepare_schema(config: &Config) -> anyhow::Result<()> {
    if !config.mode.is_production() {
        migrations::run(&config.database_url, MIGRATIONS).await?;
        return Ok(());
    }
    let pending = migrations::pending(&config.database_url, MIGRATIONS).await?;
    if !pending.is_empty() {
        bail!("the database's schema is behind ({}); run `business-api migrate`", pending.join(", "));
    }
    Ok(())
}

async fn migrate(config: &Config, plan: bool) -> anyhow::Result<()> {
    let (names, done) = if plan {
        (migrations::pending(&config.database_url, MIGRATIONS).await?, "to run")
    } else {
        (migrations::run(&config.database_url, MIGRATIONS).await?, "applied")
    };
    if names.is_empty() {
        say("the schema is up to date");
    }
    for name in names {
        say(&format!("{done}: {name}"));
    }
    Ok(())
}

async fn bind(setting: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{setting}: cannot listen on {address}"))
}

#[expect(clippy::print_stdout, reason = "the answer of a command to the person who gave it")]
fn say(line: &str) {
    println!("{line}");
}
