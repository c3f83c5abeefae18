//! How many attempts somebody has, at what, and from where.
//!
//! Rules only: what a limit is, which ones hold for what, and under which keys failures are counted. Nothing here knows HTTP or
//! SQL; `db::throttles` says [`Limit::count`] in one statement and is tested against it.

pub mod attempt;
pub mod limit;
pub mod limits;

pub use attempt::{Attempt, Key, Refund, Rule, Subject, Throttle};
pub use limit::{Counter, Limit, Then};
pub use limits::{Limits, Purpose, Scope};

use std::time::Duration;

/// Too many have failed: not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there were too many attempts; try again later")]
pub struct Throttled {
    /// At what.
    pub purpose: Purpose,
    /// Which limit says so.
    pub scope: Scope,
    /// For how long.
    pub retry_after: Duration,
    /// Whether nobody was turned away by this deadline before.
    pub is_first: bool,
}
