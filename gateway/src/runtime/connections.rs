//! The open connections of one core: how many there are, and a way to wake them all.
//!
//! The count is also what the acceptor compares, so it is shared; everything else stays on the core.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::watch::Watch;
use crate::tokens::Verified;

/// How long a connection must have been without a request to be closed for another: a client that is in the middle of
/// its work is not disturbed.
const RESTED: Duration = Duration::from_secs(1);
/// How many are closed at once: few, and yet some hundreds in a second.
const AT_A_TIME: usize = 16;

/// How far the core is on its way to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// As usual.
    Serving,
    /// Every answer says `Connection: close`.
    Draining,
    /// Connections without a request are closed too.
    Closing,
    /// Websockets are closed too, with a word.
    Over,
}

/// The connections of one core.
#[derive(Debug)]
pub struct Connections {
    load: Arc<AtomicUsize>,
    stage: Cell<Stage>,
    open: RefCell<Vec<Option<Open>>>,
    free: RefCell<Vec<usize>>,
    left: Notify,
}

/// How to reach a connection.
#[derive(Debug)]
struct Open {
    waker: Waker,
    watch: Rc<Watch>,
}

/// One open connection's place; dropped with it.
#[derive(Debug)]
pub struct Place {
    connections: Rc<Connections>,
    index: usize,
    known: Cell<bool>,
    /// Whether a socket goes with it; streams of one share its count.
    is_socket: bool,
}

impl Connections {
    /// None yet. The acceptor raises `load` for each socket that it hands over; the place's end lowers it.
    pub fn new(load: Arc<AtomicUsize>) -> Self {
        Self {
            load,
            stage: Cell::new(Stage::Serving),
            open: RefCell::default(),
            free: RefCell::default(),
            left: Notify::new(),
        }
    }

    /// Takes a place for a socket that was handed over.
    pub fn enter(self: &Rc<Self>) -> Place {
        self.place(true)
    }

    /// Takes a place for a stream of a connection that has its own.
    pub fn enter_stream(self: &Rc<Self>) -> Place {
        self.place(false)
    }

    fn place(self: &Rc<Self>, is_socket: bool) -> Place {
        let index = self.free.borrow_mut().pop().unwrap_or_else(|| {
            let mut open = self.open.borrow_mut();
            open.push(None);
            open.len() - 1
        });
        Place { connections: Rc::clone(self), index, known: Cell::new(false), is_socket }
    }

    /// Where the core is on its way to the end.
    pub fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// Goes on to a stage, and lets every connection see it.
    pub fn go_on(&self, stage: Stage) {
        self.stage.set(stage);
        for open in self.open.borrow().iter().flatten() {
            open.waker.wake_by_ref();
        }
    }

    /// Ends the answers that flow to callers whose token `is_revoked`.
    pub fn end_answers(&self, is_revoked: impl Fn(&Verified) -> bool) {
        for open in self.open.borrow().iter().flatten() {
            if open.watch.end_if(&is_revoked) {
                open.waker.wake_by_ref();
            }
        }
    }

    /// Closes some of the connections that have been without a request for longest, for others that wait for a place.
    pub fn make_room(&self, now: Instant) {
        let open = self.open.borrow();
        let rested = |open: &&Open| {
            let since = open.watch.idle_since();
            since.is_some_and(|since| now.saturating_duration_since(since) >= RESTED)
        };
        let mut idle: Vec<&Open> = open.iter().flatten().filter(rested).collect();
        if idle.len() > AT_A_TIME {
            idle.select_nth_unstable_by_key(AT_A_TIME, |open| open.watch.idle_since());
            idle.truncate(AT_A_TIME);
        }
        for open in idle {
            open.watch.give_way(now);
            open.waker.wake_by_ref();
        }
    }

    /// Resolves when no connection is left.
    pub async fn all_left(&self) {
        while self.count() > 0 {
            self.left.notified().await;
        }
    }

    fn count(&self) -> usize {
        self.open.borrow().len() - self.free.borrow().len()
    }
}

impl Place {
    /// Remembers how to reach this connection: the waker of its task, which stays the same, and its watch.
    pub fn remember(&self, waker: &Waker, watch: &Rc<Watch>) {
        if !self.known.replace(true) {
            let open = Open { waker: waker.clone(), watch: Rc::clone(watch) };
            self.connections.open.borrow_mut()[self.index] = Some(open);
        }
    }

    /// Where the core is on its way to the end.
    pub fn stage(&self) -> Stage {
        self.connections.stage()
    }

    /// All connections of the core.
    pub const fn connections(&self) -> &Rc<Connections> {
        &self.connections
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.borrow_mut()[self.index] = None;
        self.connections.free.borrow_mut().push(self.index);
        if self.is_socket {
            self.connections.load.fetch_sub(1, Ordering::Relaxed);
        }
        self.connections.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_counted_and_used_again() {
        let load = Arc::new(AtomicUsize::new(2));
        let connections = Rc::new(Connections::new(Arc::clone(&load)));
        let (first, second) = (connections.enter(), connections.enter());
        drop(first);
        assert_eq!(load.load(Ordering::Relaxed), 1);
        assert_eq!(connections.count(), 1);
        load.fetch_add(1, Ordering::Relaxed);
        let third = connections.enter();
        assert_eq!(connections.open.borrow().len(), 2);
        drop((second, third));
        connections.all_left().await;
    }
}
