//! PostgreSQL goes away and comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Method;
use business_api::db::Orders;
use business_api::readiness::Readiness;
use database::Database;
use process::private::Probe as _;
use prometheus_client::registry::Registry;
use test_support::{eventually, server_url};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::app::{Caller, Who, database, router, two_items};

/// Stands between the service and the server, and can be pulled out.
struct Cable {
    listen: std::net::SocketAddr,
    server: String,
    forwarding: Option<(JoinHandle<()>, Arc<Notify>)>,
}

impl Cable {
    async fn plugged_in() -> Self {
        let listen = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = server_url();
        // postgres://user:password@host:port/database
        let server = url.rsplit('@').next().and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        let mut cable = Self { listen, server, forwarding: None };
        cable.plug_in().await;
        cable
    }

    async fn plug_in(&mut self) {
        let (listener, server) = (TcpListener::bind(self.listen).await.unwrap(), self.server.clone());
        let cut = Arc::new(Notify::new());
        let task = tokio::spawn({
            let cut = Arc::clone(&cut);
            async move {
                loop {
                    let (mut near, _) = listener.accept().await.unwrap();
                    let (server, cut) = (server.clone(), Arc::clone(&cut));
                    tokio::spawn(async move {
                        let mut far = TcpStream::connect(server).await.unwrap();
                        tokio::select! {
                            _ = copy_bidirectional(&mut near, &mut far) => {}
                            () = cut.notified() => {}
                        }
                    });
                }
            }
        });
        self.forwarding = Some((task, cut));
    }

    async fn pull_out(&mut self) {
        let (task, cut) = self.forwarding.take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        cut.notify_waiters();
    }
}

#[tokio::test]
async fn the_service_says_so_within_a_second_and_recovers() {
    let database = database().await;
    let mut cable = Cable::plugged_in().await;
    let url = database.url().replace(&cable.server, &cable.listen.to_string());
    let who = Who { id: "ann".into(), role: "USER".into(), session: "s".into() };
    let ann = Caller::at(router(&url), who);
    let pool = Database::new(&url.parse().unwrap(), 1).unwrap();
    let probe = Readiness::new(Orders::new(pool), Registry::default());
    probe.set_serving(true);
    let id = ann.place().await;
    probe.ready().await.unwrap();

    cable.pull_out().await;
    for _ in 0..3 {
        let started = Instant::now();
        let answer = ann.get("/api/orders").await.expect_problem(503, "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
        ann.post("/api/orders", &two_items()).await.expect_problem(503, "unavailable");
        ann.cancel(&id).await.expect_problem(503, "unavailable");
        assert!(started.elapsed() < Duration::from_secs(3), "each within a second");
    }
    probe.ready().await.unwrap_err();
    // What needs no database is answered as ever.
    ann.send(Method::POST, "/api/orders", &[], Body::empty())
        .await
        .expect_problem(415, "unsupported_media_type");

    cable.plug_in().await;
    eventually("orders can be read again", async || {
        (ann.get("/api/orders").await.status == 200).then_some(())
    })
    .await;
    eventually("the probe is ready again", async || probe.ready().await.ok()).await;
    ann.cancel(&id).await.expect(200);
}

#[tokio::test]
async fn a_server_that_hangs_is_not_waited_for() {
    // The kernel accepts for a listener whose process does not, and then nothing comes.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://orders@{}/orders", listener.local_addr().unwrap());
    let who = Who { id: "ann".into(), role: "USER".into(), session: "s".into() };
    let started = Instant::now();
    Caller::at(router(&url), who).get("/api/orders").await.expect_problem(503, "unavailable");
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
}
