//! How many connections each address has open, where there is a limit to that.
//!
//! Asked once when a connection opens and once when it ends, from every core; never for a request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who counts as one: an address, or an IPv6 network.
pub type Network = [u8; 9];

/// All seats of the process; they outlive a reload.
#[derive(Debug, Default)]
pub struct Seats {
    taken: Mutex<HashMap<Network, usize>>,
    refused: AtomicU64,
}

/// Who holds it is counted.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    network: Network,
}

impl Seats {
    /// A seat for one more connection, if fewer than `most` have one.
    pub fn take(self: &Arc<Self>, network: Network, most: usize) -> Option<Seat> {
        let mut all = self.taken();
        let taken = all.get(&network).copied().unwrap_or(0);
        if taken >= most {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        all.insert(network, taken + 1);
        Some(Seat { seats: Arc::clone(self), network })
    }

    /// How many connections got none.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut all = self.seats.taken();
        let left = all.get(&self.network).map_or(0, |taken| taken.saturating_sub(1));
        if left > 0 {
            all.insert(self.network, left);
        } else {
            all.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_given_back_and_forgotten() {
        let seats = Arc::new(Seats::default());
        let (ann, bob) = ([1; 9], [2; 9]);
        let first = seats.take(ann, 2).unwrap();
        let second = seats.take(ann, 2).unwrap();
        assert!(seats.take(ann, 2).is_none());
        assert!(seats.take(bob, 2).is_some());
        drop(first);
        assert!(seats.take(ann, 2).is_some());
        drop(second);
        assert!(seats.taken().is_empty());
        assert_eq!(seats.refused(), 1);
    }
}
