//! Between the service and PostgreSQL: counts statements, and can play a database that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct PostgresProxy {
    url: String,
    statements: Arc<AtomicU64>,
    /// Raised to cut every connection; the value counts the cuts.
    cut: watch::Sender<u64>,
    away: Arc<AtomicBool>,
}

impl PostgresProxy {
    /// A proxy for the server of `url`.
    pub(crate) async fn start(url: &str) -> Self {
        let (before, rest) = url.split_once('@').expect("user@ in the URL");
        let (server, database) = rest.split_once('/').expect("/database in the URL");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let proxy = Self {
            url: format!("{before}@{address}/{database}"),
            statements: Arc::default(),
            cut: watch::Sender::new(0),
            away: Arc::default(),
        };
        let (server, statements, cut, away) = (
            server.to_owned(),
            Arc::clone(&proxy.statements),
            proxy.cut.subscribe(),
            Arc::clone(&proxy.away),
        );
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !away.load(Ordering::SeqCst) {
                    tokio::spawn(relay(client, server.clone(), Arc::clone(&statements), cut.clone()));
                }
            }
        });
        proxy
    }

    /// The database's address through the proxy.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many statements have been executed so far.
    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Ordering::SeqCst)
    }

    /// Cuts every connection and takes no new one.
    pub(crate) fn go_away(&self) {
        self.away.store(true, Ordering::SeqCst);
        self.cut.send_modify(|cuts| *cuts += 1);
    }

    pub(crate) fn come_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }
}

async fn relay(client: TcpStream, server: String, statements: Arc<AtomicU64>, mut cut: watch::Receiver<u64>) {
    cut.mark_unchanged();
    let server = TcpStream::connect(server).await.expect("the test server");
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    tokio::select! {
        () = relay_and_count(from_client, to_server, &statements) => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
        _ = cut.changed() => {}
    }
}

/// Passes the client's messages on, and counts `Execute` and `Query` (PostgreSQL's protocol, message formats).
async fn relay_and_count(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, statements: &AtomicU64) {
    // The first message has no type byte.
    let Some(startup) = read_message(&mut from, 0).await else { return };
    if to.write_all(&startup).await.is_err() {
        return;
    }
    while let Some(message) = read_message(&mut from, 1).await {
        if matches!(message.first(), Some(b'E' | b'Q')) {
            statements.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// A message: `prefix` bytes, then its length, which counts itself.
async fn read_message(from: &mut OwnedReadHalf, prefix: usize) -> Option<Vec<u8>> {
    let mut message = vec![0; prefix + 4];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(message[prefix..].try_into().ok()?) as usize;
    message.resize(prefix + length, 0);
    from.read_exact(&mut message[prefix + 4..]).await.ok()?;
    Some(message)
}
