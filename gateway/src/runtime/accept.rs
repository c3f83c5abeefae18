//! The one acceptor: takes connections from the system and gives each to the core that has fewest.
//!
//! One listener for all cores, because sockets that share a port (`SO_REUSEPORT`) spread unevenly, and closing one
//! of them resets what waits in its queue.
//!
//! It takes no more connections than it may, and than there are descriptors for: then those without a request are closed
//! first, and clients that are too many wait in the system's queue, so that those that are in can still be served.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::{Notify, mpsc};

use super::core::{Accepted, Purpose};

/// What the system may hold for us; it lowers this to its own limit (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// After a failure that would only happen again at once, such as no descriptor being left.
const PAUSE: Duration = Duration::from_millis(50);

/// Descriptors for everything but clients and upstreams: files, event queues, the private listener.
const RESERVED: u64 = 64;

/// A way to a core, and how many connections it has.
#[derive(Debug, Clone)]
pub(super) struct CoreDoor {
    /// Where its sockets go.
    pub sockets: mpsc::UnboundedSender<Accepted>,
    /// Raised here, lowered by the core.
    pub load: Arc<AtomicUsize>,
    /// Asks the core to close connections that nobody uses.
    pub full: Arc<Notify>,
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

/// Accepts until dropped, `most` at once; ends by itself only when it cannot even begin.
pub(super) async fn accept(
    most: impl Fn() -> Option<usize>,
    listener: TcpListener,
    purpose: Purpose,
    cores: Vec<CoreDoor>,
) {
    let possible = most_connections();
    let most = || most().map_or(possible, |most| most.min(possible));
    accept_up_to(most, listener, purpose, cores).await;
}

/// Half of the descriptors that are left for connections, since each client may need one more to an upstream. Raises
/// the process's own limit as far as it may: usually it is 1,024, for the sake of programs that use `select`.
fn most_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    let each = |descriptors: u64| usize::try_from(descriptors.saturating_sub(RESERVED) / 2);
    limit.current.and_then(|descriptors| each(descriptors).ok()).unwrap_or(usize::MAX).max(1)
}

async fn accept_up_to(
    most: impl Fn() -> usize,
    listener: TcpListener,
    purpose: Purpose,
    cores: Vec<CoreDoor>,
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the listener cannot be watched"),
    };
    loop {
        room(&most, &cores).await;
        match next(&listener, purpose).await {
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

/// Waits until there is room for one more.
async fn room(most: impl Fn() -> usize, cores: &[CoreDoor]) {
    let is_full = || cores.iter().map(|core| core.load.load(Ordering::Relaxed)).sum::<usize>() >= most();
    if is_full() {
        let most = most();
        tracing::warn!(
            most,
            "all connections are taken that there may be: idle ones are closed, new clients wait"
        );
    }
    // One core after the other, so that no more are closed than must be.
    for core in cores.iter().cycle() {
        if !is_full() {
            return;
        }
        core.full.notify_one();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn next(listener: &tokio::net::TcpListener, purpose: Purpose) -> io::Result<Accepted> {
    let (socket, peer) = listener.accept().await?;
    socket.set_nodelay(true)?;
    Ok(Accepted { socket: socket.into_std()?, peer, purpose })
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

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn who_is_too_many_waits_until_somebody_leaves() {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (sockets, mut inbox) = mpsc::unbounded_channel();
        let load = Arc::new(AtomicUsize::new(0));
        let door = CoreDoor { sockets, load: Arc::clone(&load), full: Arc::default() };
        let accepting = tokio::spawn(accept_up_to(|| 2, listener, Purpose::Proxy, vec![door]));
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let (first, _second) = (inbox.recv().await.unwrap(), inbox.recv().await.unwrap());
        assert!(tokio::time::timeout(3 * PAUSE, inbox.recv()).await.is_err(), "the third waits");
        drop(first);
        load.fetch_sub(1, Ordering::Relaxed);
        assert!(inbox.recv().await.is_some());
        accepting.abort();
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        let most = most_connections();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!(limit.current.is_none_or(|descriptors| most as u64 <= descriptors / 2));
    }
}
