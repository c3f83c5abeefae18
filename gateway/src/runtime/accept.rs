//! The one acceptor: takes connections from the system and gives each to the core that has fewest.
//!
//! One listener for all cores, because sockets that share a port (`SO_REUSEPORT`) spread unevenly, and closing one
//! of them resets what waits in its queue.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;

use super::core::Accepted;

/// What the system may hold for us; it lowers this to its own limit (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// After a failure that would only happen again at once, such as no descriptor being left.
const PAUSE: Duration = Duration::from_millis(50);

/// A way to a core, and how many connections it has.
#[derive(Debug)]
pub(super) struct CoreDoor {
    /// Where its sockets go.
    pub sockets: mpsc::UnboundedSender<Accepted>,
    /// Raised here, lowered by the core.
    pub load: Arc<AtomicUsize>,
}

/// Listens on an address.
///
/// # Errors
/// The address is taken, not ours, or not allowed.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the process before.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts until dropped; ends by itself only when it cannot even begin.
pub(super) async fn accept(listener: TcpListener, cores: Vec<CoreDoor>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the listener cannot be watched"),
    };
    loop {
        match next(&listener).await {
            Ok(accepted) => hand_over(accepted, &cores),
            // The peer went away before we looked: the next one is waiting.
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn next(listener: &tokio::net::TcpListener) -> io::Result<Accepted> {
    let (socket, peer) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok(Accepted { socket: socket.into_std()?, peer })
}

fn hand_over(accepted: Accepted, cores: &[CoreDoor]) {
    let Some(core) = cores.iter().min_by_key(|core| core.load.load(Ordering::Relaxed)) else { return };
    core.load.fetch_add(1, Ordering::Relaxed);
    if core.sockets.send(accepted).is_err() {
        // The core has stopped; so will the process.
        core.load.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotConnected
    )
}
