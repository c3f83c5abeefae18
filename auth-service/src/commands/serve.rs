//! `serve`: the process as it runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use process::{private, shutdown};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use crate::app::App;
use crate::config::Config;
use crate::jobs::outbox::Outbox;
use crate::jobs::purge::Purge;
use crate::jobs::revocation_feed::RevocationFeed;
use crate::jobs::signing_keys::SigningKeys;
use crate::preparation;
use crate::readiness::Readiness;
use crate::routes::routes;

/// How long a start may take before requests are let in, to be told what is missing. Until then they are refused at the
/// socket, and a gateway asks another replica.
const START: Duration = Duration::from_secs(1);
/// Between two looks whether everything is there.
const PAUSE: Duration = Duration::from_millis(10);
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Serves until SIGTERM or SIGINT, and then until what is in flight is done.
///
/// # Errors
/// An address is taken, or the database is in a state that this process must not serve on. That the database is away is
/// no error: requests are answered 503 until it is there.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    config.log.init();
    let stop = shutdown::signal()?;
    let reserved = reserve("LISTEN", config.listen)?;
    let private_listener = bind("ADMIN_LISTEN", config.admin_listen).await?;
    let app = Arc::new(App::new(&config)?);
    let readiness = Arc::new(Readiness::new(Arc::clone(&app)).in_mode(config.mode));
    tokio::spawn(private::serve(private_listener, Arc::clone(&readiness)));
    let feed = Arc::clone(&app.feed);
    let stopping = async {
        let signal = stop.await;
        tracing::info!(signal, "stopping");
        readiness.set_listening(false);
        // Streams have no end of their own, and the drain waits for what is in flight.
        feed.drain();
    };
    let serving = async {
        // Past that time an answer that says what is missing is worth more than none.
        let _ = tokio::time::timeout(START, prepared(&readiness)).await;
        let listener =
            reserved.listen(BACKLOG).with_context(|| format!("cannot listen on {}", config.listen))?;
        readiness.set_listening(true);
        tracing::info!(listen = %config.listen, admin_listen = %config.admin_listen, mode = %config.mode, "listening");
        http_api::serve(listener, routes(Arc::clone(&app), config.identity.verifier()), stopping).await;
        Ok(())
    };
    let (stop_post, stopped) = watch::channel(false);
    let post = Outbox::new(&app, &config).map(|outbox| tokio::spawn(outbox.run(stopped)));
    let ended = tokio::select! {
        served = serving => served,
        ended = background(&app, &config) => ended,
    };
    // Mail that is on its way arrives, and is noted.
    stop_post.send_replace(true);
    if let Some(post) = post {
        post.await.context("the outbox")?;
    }
    ended
}

/// Ends only with an error.
async fn background(app: &App, config: &Config) -> anyhow::Result<()> {
    preparation::prepare(app, config).await?;
    let store = Arc::clone(&app.signing_keys);
    let keys = SigningKeys::new(app.database.clone(), config.tokens.locksmith(), store);
    let feed = RevocationFeed::new(Arc::clone(&app.feed), Arc::clone(&app.announcer), &config.database)?;
    tokio::join!(keys.keep_fresh(&app.announcer), feed.run(), Purge::new(app, config).run());
    Ok(())
}

async fn prepared(readiness: &Readiness) {
    while !readiness.lacks().await.is_empty() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Takes an address without listening on it.
fn reserve(setting: &str, address: SocketAddr) -> anyhow::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket)
    });
    bound.with_context(|| format!("cannot listen on {setting}={address}"))
}

async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {setting}={address}"))
}
