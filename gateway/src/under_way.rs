//! How many requests are under way at once: in the whole process, and on each route that says how many it takes.
//!
//! Counts outlive a reload. Who is let in holds a [`Permit`] until the answer has ended, or the websocket.

pub mod seats;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::seats::Seats;

/// All counts of the process.
#[derive(Debug, Default)]
pub struct UnderWay {
    all: Arc<AtomicUsize>,
    routes: Mutex<HashMap<String, Arc<AtomicUsize>>>,
    /// Connections by address.
    pub seats: Arc<Seats>,
}

/// One count and its limit.
#[derive(Debug)]
pub struct Room {
    most: usize,
    taken: Arc<AtomicUsize>,
}

/// Who holds it is counted.
#[derive(Debug)]
pub struct Permit(Arc<AtomicUsize>);

/// Too much is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// In the whole process.
    #[error("Too many requests are under way at the moment.")]
    Gateway,
    /// On the route.
    #[error("Too many requests are under way here at the moment.")]
    Route,
}

impl Overloaded {
    /// All, as metrics call them, in the order of the variants.
    pub const SCOPES: [&str; 2] = ["gateway", "route"];
}

impl UnderWay {
    /// Room for so many requests of the process.
    pub fn all(&self, most: usize) -> Room {
        Room { most, taken: Arc::clone(&self.all) }
    }

    /// Room for so many requests of the route of this path.
    pub fn route(&self, path: &str, most: usize) -> Room {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        // What neither a configuration nor a request uses any more.
        routes.retain(|_, taken| Arc::strong_count(taken) > 1);
        Room { most, taken: Arc::clone(routes.entry(path.to_owned()).or_default()) }
    }
}

impl Room {
    /// Lets one more in, if there is room.
    pub fn enter(&self) -> Option<Permit> {
        let one_more = |taken| (taken < self.most).then_some(taken + 1);
        let entered = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.is_ok().then(|| Permit(Arc::clone(&self.taken)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_is_given_back() {
        let under_way = UnderWay::default();
        let room = under_way.route("/a", 2);
        let (first, _second) = (room.enter().unwrap(), room.enter().unwrap());
        assert!(room.enter().is_none());
        drop(first);
        assert!(room.enter().is_some());
    }

    #[test]
    fn another_configuration_counts_on() {
        let under_way = UnderWay::default();
        let held = under_way.route("/a", 1).enter().unwrap();
        let next = under_way.route("/a", 2);
        assert!(under_way.route("/b", 1).enter().is_some());
        let _other = next.enter().unwrap();
        assert!(next.enter().is_none());
        drop(held);
        assert!(next.enter().is_some());
    }
}
