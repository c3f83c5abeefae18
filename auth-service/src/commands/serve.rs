//! `serve`: the process as it runs.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use process::{private, shutdown};
use tokio::net::TcpListener;

use crate::app::App;
use crate::config::Config;
use crate::jobs::purge::Purge;
use crate::jobs::revocation_feed::RevocationFeed;
use crate::jobs::signing_keys::SigningKeys;
use crate::preparation;
use crate::readiness::Readiness;
use crate::routes::routes;

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
    let feed = Arc::clone(&app.feed);
    let stopping = async move {
        let signal = stop.await;
        tracing::info!(signal, "stopping");
        readiness.drain();
        // Streams have no end of their own, and the drain waits for what is in flight.
        feed.drain();
    };
    tokio::select! {
        () = http_api::serve(listener, routes(Arc::clone(&app), config.identity.verifier()), stopping) => Ok(()),
        ended = background(&app, &config) => ended,
    }
}

/// Ends only with an error.
async fn background(app: &App, config: &Config) -> anyhow::Result<()> {
    preparation::prepare(app, config).await?;
    let store = Arc::clone(&app.signing_keys);
    let keys = SigningKeys::new(app.database.clone(), config.tokens.locksmith(), store);
    let feed = RevocationFeed::new(Arc::clone(&app.feed), Arc::clone(&app.announcer), &config.database)?;
    tokio::join!(keys.keep_fresh(), feed.run(), Purge::new(app, config).run());
    Ok(())
}

async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {setting}={address}"))
}
