//! The services behind the gateway: who is asked, over which connection, and what may be asked again.
//!
//! A [`Cluster`] knows which servers there are and is shared by all cores; an [`Upstream`] is one core's connections to
//! them. Knows nothing of routes, tokens or identity.

mod broken;
mod choose;
mod cluster;
mod connect;
mod health;
mod member;
mod multiplex;
mod pool;
mod resolve;
mod retry;
mod roots;
mod server;
mod standing;

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;

pub use broken::{is_lost, is_refused};
pub use cluster::{Cluster, Origin, View};
pub use connect::{ConnectError, Stream, Target};
pub use health::{Check, check_health};
pub use member::Member;
pub use resolve::{has_names, keep_resolved};
pub use roots::{RootsError, client_config, roots_of, system_roots};
pub use server::{Answerer, Lease, Sendable};
pub use standing::{Place, Thresholds};

use choose::{Candidate as _, choose, next_random};
use retry::Budget;
use server::{Failure, Server};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The checks of all servers fail; nothing was sent.
    #[error("no server of the upstream passes its checks")]
    NoneHealthy,
    /// No server could be reached; nothing was sent.
    #[error("no server of the upstream can be reached")]
    Unreachable(#[source] ConnectError),
    /// A server was sent the request, or part of it, and gave no usable answer.
    #[error("the exchange with the upstream broke")]
    Broken(#[source] hyper::Error),
}

/// One upstream and the connections to its servers, of one core.
#[derive(Debug)]
pub struct Upstream<B> {
    cluster: Arc<Cluster>,
    /// The generation of the cluster that `servers` are of.
    seen: Cell<u64>,
    servers: RefCell<Servers<B>>,
    turn: Cell<usize>,
    random: Cell<u64>,
    budget: Budget,
}

#[derive(Debug)]
struct Servers<B> {
    /// All that may be asked, the open ones first.
    asked: Vec<Rc<Server<B>>>,
    /// How many of them are open: it is among them that a choice is made.
    open: usize,
    /// Those whose checks fail keep what is known of them.
    out: Vec<Rc<Server<B>>>,
}

type Answer<B> = (Response<Incoming>, Lease<B>);

impl<B: Sendable> Upstream<B> {
    /// One core's way to the servers of a cluster.
    pub fn new(cluster: Arc<Cluster>) -> Self {
        let upstream = Self {
            seen: Cell::new(cluster.generation()),
            servers: RefCell::new(Servers { asked: Vec::new(), open: 0, out: Vec::new() }),
            turn: Cell::new(0),
            // Another sequence on each core; zero would stay zero.
            random: Cell::new(RandomState::new().hash_one(0_u8) | 1),
            budget: Budget::default(),
            cluster,
        };
        upstream.look();
        upstream
    }

    /// Sends a request to the better one of two servers; to the next ones while nothing could be sent; and once more
    /// to another server if the first was lost, the request asks for nothing to be done, and the budget allows it.
    ///
    /// # Errors
    /// See [`SendError`]. What else may have reached a server is never sent again.
    pub async fn send(&self, request: Request<B>, connect_limit: Duration) -> Result<Answer<B>, SendError> {
        self.budget.request();
        if self.cluster.generation() != self.seen.get() {
            self.look();
        }
        let server = self.choose().ok_or(SendError::NoneHealthy)?;
        // One server has no other, so nothing is copied for it.
        let copy = if self.servers.borrow().open > 1 { retry::copy(&request).map(Box::new) } else { None };
        match server.send(request, connect_limit).await {
            Ok(answer) => Ok(answer),
            // Rare: kept out of the future that every request is.
            Err(failure) => Box::pin(self.send_elsewhere(server, failure, copy, connect_limit)).await,
        }
    }

    async fn send_elsewhere(
        &self,
        first: Rc<Server<B>>,
        mut failure: Failure<B>,
        mut copy: Option<Box<Request<B>>>,
        connect_limit: Duration,
    ) -> Result<Answer<B>, SendError> {
        let (mut asked, mut lost) = (vec![first], None);
        loop {
            let next = self.another(&asked);
            let request = match failure {
                Failure::Unsent(unsent, error) => {
                    if next.is_none() {
                        return Err(lost.unwrap_or(SendError::Unreachable(error)));
                    }
                    unsent
                }
                Failure::Broken(error) => {
                    let copied = copy.take().filter(|_| is_lost(&error) && next.is_some());
                    let Some(request) = copied.filter(|_| self.may_retry()) else {
                        return Err(SendError::Broken(error));
                    };
                    lost = Some(SendError::Broken(error));
                    request
                }
            };
            let Some(next) = next else { return Err(SendError::NoneHealthy) };
            match next.send(*request, connect_limit).await {
                Ok(answer) => {
                    self.cluster.readmit(next.member(), Instant::now());
                    return Ok(answer);
                }
                Err(error) => failure = error,
            }
            asked.push(next);
        }
    }

    fn may_retry(&self) -> bool {
        let allowed = self.budget.withdraw();
        self.cluster.count_retry(allowed);
        allowed
    }

    /// Whether its servers are spoken to in HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.cluster.origins().iter().any(|origin| origin.target.is_http2())
    }

    /// A second passed.
    pub fn tick(&self) {
        self.look();
        self.budget.tick();
        let (servers, now) = (self.servers.borrow(), Instant::now());
        servers.all().for_each(|server| server.tick(now));
    }

    /// How many connections are idle.
    pub fn idle(&self) -> usize {
        self.servers.borrow().all().map(|server| server.idle()).sum()
    }

    fn choose(&self) -> Option<Rc<Server<B>>> {
        let servers = self.servers.borrow();
        // Servers that are passed over are better than none.
        let candidates = if servers.open == 0 { &servers.asked[..] } else { &servers.asked[..servers.open] };
        if let [only] = candidates {
            return Some(Rc::clone(only));
        }
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        let (state, random) = next_random(self.random.get());
        self.random.set(state);
        candidates.get(choose(candidates, turn, random)).map(Rc::clone)
    }

    /// A server that has not been asked yet, open ones first.
    fn another(&self, asked: &[Rc<Server<B>>]) -> Option<Rc<Server<B>>> {
        self.look();
        let servers = self.servers.borrow();
        let is_new = |server: &&Rc<Server<B>>| !asked.iter().any(|asked| Rc::ptr_eq(asked, server));
        let (open, spare) = servers.asked.split_at(servers.open);
        let least = open.iter().filter(is_new).min_by_key(|server| server.under_way());
        least.or_else(|| spare.iter().find(is_new)).map(Rc::clone)
    }

    /// Takes over what has changed in the cluster. Servers that are gone finish what they have.
    fn look(&self) {
        let generation = self.cluster.generation();
        let mut servers = self.servers.borrow_mut();
        if generation == self.seen.get() && servers.all().next().is_some() {
            return;
        }
        let known: Vec<_> = servers.all().map(Rc::clone).collect();
        *servers = Servers { asked: Vec::new(), open: 0, out: Vec::new() };
        let mut view = self.cluster.view();
        view.sort_by_key(|view| view.place);
        let now = Instant::now();
        for view in view {
            let found = known.iter().find(|server| Arc::ptr_eq(server.member(), &view.member));
            let server = found.map_or_else(|| Server::new(&self.cluster, &view.member), Rc::clone);
            server.returned(view.returned, now);
            servers.open += usize::from(view.place == Place::Open);
            if view.place == Place::Out { servers.out.push(server) } else { servers.asked.push(server) }
        }
        self.seen.set(generation);
    }
}

impl<B> Servers<B> {
    fn all(&self) -> impl Iterator<Item = &Rc<Server<B>>> {
        self.asked.iter().chain(&self.out)
    }
}

#[cfg(test)]
mod tests;
