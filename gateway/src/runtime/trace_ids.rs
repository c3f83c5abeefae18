//! Random ids of traces and spans: cheap, and no secret. Whoever knows one may guess the next.

use std::cell::Cell;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

/// The generator of one core (SplitMix64), begun anywhere.
#[derive(Debug)]
pub struct TraceIds(Cell<u64>);

impl TraceIds {
    /// Draws where to begin.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new() -> Result<Self, Unspecified> {
        let mut seed = [0; 8];
        rand::fill(&mut seed)?;
        Ok(Self(Cell::new(u64::from_ne_bytes(seed))))
    }

    /// Of a new trace.
    pub fn trace(&self) -> u128 {
        u128::from(self.span()) << 64 | u128::from(self.next())
    }

    /// Of a new span; never zero.
    pub fn span(&self) -> u64 {
        self.next().max(1)
    }

    /// From 0 up to, and without, 1.
    pub fn draw(&self) -> f64 {
        // The 32 bits that a double holds exactly, and then some.
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
