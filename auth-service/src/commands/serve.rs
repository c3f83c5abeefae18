//! `serve`: the process as it runs.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use process::{private, shutdown};
use tokio::net::TcpListener;

use crate::app::App;
use crate::config::Config;
use crate::jobs::signing_keys;
use crate::preparation;
use crate::readiness::Readiness;
use crate::routes::routes;
use crate::tokens::BoxKeys;

/// Serves until SIGTERM or SIGINT, and then until what is in flight is done.
///
/// # Errors
/// An address is taken, or the database is in a state that this process must not serve on. That the database is away is
/// no error: requests are answered 503 until it is there.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    config.log.init();
    let stop = shutdown::signal()?;
    let listener = bind("LISTEN", config.listen).await?;
    let private_listener = bind("ADMIN_LISTEN", config.admin_listen).await?;
    let app = Arc::new(App::new(&config)?);
    let readiness = Arc::new(Readiness::new(Arc::clone(&app)));
    tracing::info!(listen = %config.listen, admin_listen = %config.admin_listen, mode = %config.mode, "listening");

    tokio::spawn(private::serve(private_listener, Arc::clone(&readiness)));
    let stopping = async move {
        let signal = stop.await;
        tracing::info!(signal, "stopping");
        readiness.drain();
    };
    tokio::select! {
        () = http_api::serve(listener, routes(Arc::clone(&app), config.identity.verifier()), stopping) => Ok(()),
        ended = background(&app, &config) => ended,
    }
}

/// Ends only with an error.
async fn background(app: &App, config: &Config) -> anyhow::Result<()> {
    preparation::prepare(app, config).await?;
    let boxes = BoxKeys::new(&config.tokens.secrets);
    signing_keys::keep_fresh(
        app.database.clone(),
        boxes,
        config.tokens.algorithm,
        Arc::clone(&app.signing_keys),
    )
    .await;
    Ok(())
}

async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {setting}={address}"))
}
