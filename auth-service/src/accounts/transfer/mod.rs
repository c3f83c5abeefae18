//! Accounts that come from another system, or leave for one: each a line of JSON.
//!
//! What a line may say ([`Record`]), what has to be true of it before it is let in ([`Arrival`]), and what becomes of it beside
//! the accounts that are there ([`Outcome`]). Knows neither files nor tables.

mod arrival;
mod departure;
mod lines;
mod outcome;
mod record;
mod refused_line;

pub use arrival::{Admission, Arrival, Verified};
pub use departure::Departure;
pub use lines::{Line, Lines, MAX_BYTES};
pub use outcome::{Existing, Outcome};
pub use record::Record;
pub use refused_line::RefusedLine;
