//! What may be sent twice, and how often: a few per cent, so that a failing upstream does not get double the load.

use std::cell::{Cell, RefCell};

use http::{Method, Request};

use super::server::Sendable;

/// Over how many ticks (seconds) of the core the budget looks back.
const TICKS: usize = 10;
/// Retries that are always allowed in that time: three a second.
const RESERVE: u64 = 3 * TICKS as u64;
/// One retry for so many requests on top: ten per cent.
const REQUESTS_PER_RETRY: u64 = 10;

/// How many retries one core may make towards one upstream.
#[derive(Debug, Default)]
pub(super) struct Budget {
    requests: Cell<u64>,
    retries: Cell<u64>,
    /// What each of the last ticks added to the two sums above.
    past: RefCell<[(u64, u64); TICKS]>,
    /// The sums at the last tick.
    at: Cell<(u64, u64)>,
    tick: Cell<usize>,
}

impl Budget {
    /// A request is sent, not as a retry.
    pub(super) fn request(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// Takes a retry; false if none is left.
    pub(super) fn withdraw(&self) -> bool {
        let allowed = self.retries.get() < RESERVE + self.requests.get() / REQUESTS_PER_RETRY;
        if allowed {
            self.retries.set(self.retries.get() + 1);
        }
        allowed
    }

    /// A second passed: what is ten seconds old counts no more.
    pub(super) fn tick(&self) {
        let (requests, retries) = (self.requests.get(), self.retries.get());
        let (before, repeated) = self.at.get();
        let added = (requests - before, retries - repeated);
        let tick = self.tick.get();
        let gone = std::mem::replace(&mut self.past.borrow_mut()[tick], added);
        self.tick.set((tick + 1) % TICKS);
        self.requests.set(requests - gone.0);
        self.retries.set(retries - gone.1);
        self.at.set((self.requests.get(), self.retries.get()));
    }
}

/// A copy of what may be sent again although a server may have seen it: RFC 9110 section 9.2.1 says that these methods
/// ask for nothing to be done, and without a body nothing of the request is used up.
pub(super) fn copy<B: Sendable>(request: &Request<B>) -> Option<Request<B>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe { bodiless(request) } else { None }
}

/// A copy of a request that has no body. It may be sent only if its original did nothing, or asks for nothing to be done.
pub(super) fn bodiless<B: Sendable>(request: &Request<B>) -> Option<Request<B>> {
    if !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(request.body().nothing()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn withdrawn(budget: &Budget) -> usize {
        (0..1000).take_while(|_| budget.withdraw()).count()
    }

    #[test]
    fn a_tenth_of_the_requests_and_a_reserve() {
        let budget = Budget::default();
        assert_eq!(withdrawn(&budget), 30);
        (0..200).for_each(|_| budget.request());
        assert_eq!(withdrawn(&budget), 20);
    }

    #[test]
    fn what_is_ten_seconds_old_counts_no_more() {
        let budget = Budget::default();
        (0..200).for_each(|_| budget.request());
        assert_eq!(withdrawn(&budget), 50);
        for _ in 0..10 {
            budget.tick();
            assert_eq!(withdrawn(&budget), 0);
        }
        budget.tick();
        assert_eq!(withdrawn(&budget), 30, "the requests are gone, and the retries with them");
    }

    proptest::proptest! {
        /// Whenever a retry is made, the ten seconds before it and this one hold no more than the reserve and a tenth.
        #[test]
        fn no_retry_exceeds_the_budget(seconds in proptest::collection::vec((0_u64..300, 0_u64..100), 1..60)) {
            let budget = Budget::default();
            let mut made = Vec::new();
            for (requests, wanted) in seconds {
                (0..requests).for_each(|_| budget.request());
                let retries = (0..wanted).filter(|_| budget.withdraw()).count() as u64;
                made.push((requests, retries));
                let window = &made[made.len().saturating_sub(TICKS + 1)..];
                let requests: u64 = window.iter().map(|second| second.0).sum();
                let sum: u64 = window.iter().map(|second| second.1).sum();
                proptest::prop_assert!(retries == 0 || sum <= RESERVE + requests / REQUESTS_PER_RETRY);
                budget.tick();
            }
        }
    }
}
