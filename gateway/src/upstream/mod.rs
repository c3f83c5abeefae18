//! The services behind the gateway, as one core reaches them: who is asked, over which connection, and what may be
//! asked again.
//!
//! Everything here belongs to one core and is never shared. Knows nothing of routes, tokens or identity.

mod connect;
mod pool;
mod roots;
mod server;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;

pub use connect::{ConnectError, Stream, Target};
pub use roots::{RootsError, client_config};
pub use server::{Lease, Sendable};

use server::{Failure, Server};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No server could be reached; nothing was sent.
    #[error("no server of the upstream can be reached")]
    Unreachable(#[source] ConnectError),
    /// A server was sent the request, or part of it, and gave no usable answer.
    #[error("the exchange with the upstream broke")]
    Broken(#[source] hyper::Error),
}

/// One upstream and its servers, of one core.
#[derive(Debug)]
pub struct Upstream<B> {
    servers: Box<[Rc<Server<B>>]>,
    turn: Cell<usize>,
}

impl<B: Sendable> Upstream<B> {
    /// An upstream of these servers, each with what goes into `Host`. There must be one at least.
    pub fn new(servers: impl IntoIterator<Item = (Target, http::HeaderValue)>) -> Self {
        let servers = servers.into_iter().map(|(target, host)| Rc::new(Server::new(target, host))).collect();
        Self { servers, turn: Cell::new(0) }
    }

    /// Sends a request to the server that has least to do, and to the next ones while nothing could be sent.
    ///
    /// # Errors
    /// See [`SendError`]. What may have reached a server is never sent again.
    pub async fn send(
        &self,
        mut request: Request<B>,
        connect_limit: Duration,
    ) -> Result<(Response<Incoming>, Lease<B>), SendError> {
        let first = self.choose();
        let mut turn = 0;
        loop {
            let server = &self.servers[(first + turn) % self.servers.len()];
            turn += 1;
            match server.send(request, connect_limit).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Broken(error)) => return Err(SendError::Broken(error)),
                Err(Failure::Unsent(_, error)) if turn == self.servers.len() => {
                    return Err(SendError::Unreachable(error));
                }
                Err(Failure::Unsent(unsent, _)) => request = *unsent,
            }
        }
    }

    /// A second passed.
    pub fn tick(&self) {
        self.servers.iter().for_each(|server| server.tick());
    }

    /// How many connections are idle.
    pub fn idle(&self) -> usize {
        self.servers.iter().map(|server| server.idle()).sum()
    }

    /// The living server with the fewest requests under way; among equals they take turns.
    fn choose(&self) -> usize {
        let count = self.servers.len();
        if count == 1 {
            return 0;
        }
        let turn = self.turn.replace((self.turn.get() + 1) % count);
        let by_turn = (0..count).map(|step| (turn + step) % count);
        let rank = |&index: &usize| (self.servers[index].is_down(), self.servers[index].under_way());
        by_turn.min_by_key(rank).unwrap_or(0)
    }
}
