//! Asking each server of an upstream now and then whether it is well.
//!
//! One check for all cores, on the main thread, over a connection of its own each time: that it takes connections is
//! part of the question. The request is not signed and names nobody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::cluster::Cluster;
use super::connect::ConnectError;
use super::member::Member;
use super::multiplex::builder;
use super::server::address;
use super::standing::Thresholds;

/// How an upstream's servers are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked for: path and query.
    pub path: Uri,
    /// Another port than the one that requests go to, spoken to in clear and in HTTP/1.1.
    pub port: Option<u16>,
    /// From one check to the next.
    pub interval: Duration,
    /// For a whole check.
    pub timeout: Duration,
    /// What it takes to change a verdict.
    pub thresholds: Thresholds,
}

/// What is wrong with a server.
#[derive(Debug, thiserror::Error)]
enum Ill {
    #[error("cannot connect")]
    Connect(#[from] ConnectError),
    #[error("no answer in HTTP")]
    Exchange(#[from] hyper::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("it took too long")]
    Timeout(#[from] tokio::time::error::Elapsed),
}

/// Checks all servers of the upstream until it is dropped.
pub async fn check_health(cluster: Arc<Cluster>, check: Check) {
    let check = Arc::new(check);
    let mut turn = tokio::time::interval(check.interval);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let mut asked = JoinSet::new();
        for view in cluster.view() {
            let check = Arc::clone(&check);
            asked.spawn(async move {
                let answer = tokio::time::timeout(check.timeout, check.ask(&view.member)).await;
                (view.member, answer.map_err(Ill::from).flatten())
            });
        }
        while let Some(Ok((member, answer))) = asked.join_next().await {
            cluster.checked(&member, answer.is_ok(), check.thresholds, Instant::now());
            if let Err(error) = answer {
                let (upstream, server, address) = (cluster.name(), member.name(), member.address());
                tracing::debug!(upstream, server, address, %error, "a check failed");
            }
        }
    }
}

impl Check {
    async fn ask(&self, member: &Member) -> Result<(), Ill> {
        let target = member.target();
        let target = self.port.map_or_else(|| target.clone(), |port| target.other_port(port));
        let stream = TokioIo::new(target.connect(self.timeout).await?);
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = self.path.clone();
        request.headers_mut().insert(HOST, member.host().clone());
        let status = if target.is_http2() {
            address(&mut request, member);
            let (mut sender, connection) = builder().handshake(stream).await?;
            answer(sender.send_request(request), connection).await?
        } else {
            let (mut sender, connection) = http1::handshake(stream).await?;
            answer(sender.send_request(request), connection).await?
        };
        if status.is_success() { Ok(()) } else { Err(Ill::Status(status)) }
    }
}

async fn answer(
    exchange: impl Future<Output = hyper::Result<Response<Incoming>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> hyper::Result<StatusCode> {
    tokio::pin!(exchange);
    let answer = tokio::select! {
        biased;
        answer = &mut exchange => answer?,
        closed = connection => {
            closed?;
            exchange.await?
        }
    };
    Ok(answer.status())
}
