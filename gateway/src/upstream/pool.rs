//! The open, idle connections to one server, of one core.
//!
//! Last in, first out: the busy few stay warm and the others grow old and go. Age is counted in ticks of the core,
//! so that putting a connection back costs no look at the clock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::server::Sender;

/// Idle connections older than this many ticks (seconds) go: less than the five seconds after which Node.js,
/// the most impatient server that is common, closes them.
const MOST_TICKS: u32 = 4;
/// How many idle connections are kept.
const MOST_IDLE: usize = 1024;

#[derive(Debug)]
struct Idle<B> {
    sender: Sender<B>,
    since: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pool<B> {
    idle: RefCell<VecDeque<Idle<B>>>,
    now: Cell<u32>,
}

impl<B> Default for Pool<B> {
    fn default() -> Self {
        Self { idle: RefCell::default(), now: Cell::new(0) }
    }
}

impl<B> Pool<B> {
    /// The connection that was used last and that can be used now.
    ///
    /// It may still turn out to be closed: nobody has looked since its last answer.
    pub(super) fn take(&self) -> Option<Sender<B>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(entry) = idle.pop_back() {
            if entry.sender.requests.is_ready() {
                return Some(entry.sender);
            }
        }
        None
    }

    /// Puts a connection back that is ready for its next request; any other is closed.
    pub(super) fn put(&self, sender: Sender<B>) {
        let mut idle = self.idle.borrow_mut();
        if sender.requests.is_ready() && idle.len() < MOST_IDLE {
            idle.push_back(Idle { sender, since: self.now.get() });
        }
    }

    /// One tick of the core passed: what has been idle for too long goes.
    pub(super) fn tick(&self) {
        self.now.set(self.now.get().wrapping_add(1));
        let now = self.now.get();
        let too_old = |entry: &Idle<B>| {
            now.wrapping_sub(entry.since) >= MOST_TICKS || !entry.sender.requests.is_ready()
        };
        let mut idle = self.idle.borrow_mut();
        while idle.front().is_some_and(too_old) {
            idle.pop_front();
        }
    }

    /// How many connections are idle.
    pub(super) fn len(&self) -> usize {
        self.idle.borrow().len()
    }
}
