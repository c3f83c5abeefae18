//! Requests in great numbers while something else happens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use test_support::eventually;
use tokio::task::JoinHandle;

use super::Client;

const CLIENTS: usize = 8;

/// Clients that keep their connections until they are told `Connection: close`, and count what they get.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    farewells: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Half of the requests carry the token.
    pub(crate) async fn start(address: SocketAddr, token: &str) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            answered: Arc::default(),
            farewells: Arc::default(),
            clients: Vec::new(),
        };
        for number in 0..CLIENTS {
            let client = Client::connect(address).await;
            let path = if number % 2 == 0 { "GET /private" } else { "GET /public" };
            let header = format!("Authorization: Bearer {token}");
            load.clients.push(load.spawn(client, address, path, header));
        }
        load
    }

    fn spawn(
        &self,
        mut client: Client,
        address: SocketAddr,
        path: &'static str,
        header: String,
    ) -> JoinHandle<()> {
        let (stop, answered) = (Arc::clone(&self.stop), Arc::clone(&self.answered));
        let farewells = Arc::clone(&self.farewells);
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let answer = client.ask(path, &[&header]).await;
                assert_eq!(answer.status, 200);
                answered.fetch_add(1, Ordering::SeqCst);
                if answer.header("connection") == Some("close") {
                    farewells.fetch_add(1, Ordering::SeqCst);
                    client = Client::connect(address).await;
                }
            }
        })
    }

    /// Lets it go on until so many requests more were answered.
    pub(crate) async fn more(&self, requests: usize) {
        let enough = self.answered.load(Ordering::SeqCst) + requests;
        eventually("requests are answered", async || {
            (self.answered.load(Ordering::SeqCst) >= enough).then_some(())
        })
        .await;
    }

    /// Fails the test if any request failed; answers how many there were, and how many of them said farewell.
    pub(crate) async fn stop(self) -> (usize, usize) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.await.unwrap();
        }
        (self.answered.load(Ordering::SeqCst), self.farewells.load(Ordering::SeqCst))
    }
}
