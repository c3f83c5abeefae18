//! Between the service and PostgreSQL: counts statements, and can play a database that is away or hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct PostgresProxy {
    url: String,
    statements: Arc<AtomicU64>,
    health: watch::Sender<Health>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    /// Connections are cut and none is taken.
    Away,
    /// Connections are there, and nothing comes back on them.
    Silent,
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
            health: watch::Sender::new(Health::Well),
        };
        let relay = Relay {
            server: server.to_owned(),
            statements: Arc::clone(&proxy.statements),
            health: proxy.health.subscribe(),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay.clone().run(client));
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

    /// From now on the database is away.
    pub(crate) fn go_away(&self) {
        self.health.send_replace(Health::Away);
    }

    /// From now on it hangs.
    pub(crate) fn fall_silent(&self) {
        self.health.send_replace(Health::Silent);
    }

    /// And it is well again.
    pub(crate) fn come_back(&self) {
        self.health.send_replace(Health::Well);
    }
}

/// One connection.
#[derive(Clone)]
struct Relay {
    server: String,
    statements: Arc<AtomicU64>,
    health: watch::Receiver<Health>,
}

impl Relay {
    async fn run(self, client: TcpStream) {
        let mut health = self.health.clone();
        let server = TcpStream::connect(&self.server).await.expect("the test server");
        let (from_client, mut to_client) = client.into_split();
        let (mut from_server, to_server) = server.into_split();
        tokio::select! {
            biased;
            _ = health.wait_for(|health| *health == Health::Away) => {}
            () = self.pass_on_and_count(from_client, to_server) => {}
            _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
        }
    }

    /// Passes the client's messages on, and counts `Execute` and `Query` (PostgreSQL's protocol, message formats).
    async fn pass_on_and_count(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        // The first message has no type byte.
        let mut prefix = 0;
        while let Some(message) = read_message(&mut from, prefix).await {
            if prefix == 1 && matches!(message.first(), Some(b'E' | b'Q')) {
                self.statements.fetch_add(1, Ordering::SeqCst);
            }
            let listens = self.health.wait_for(|health| *health != Health::Silent).await.is_ok();
            if !listens || to.write_all(&message).await.is_err() {
                return;
            }
            prefix = 1;
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
