//! Sessions: what a login leaves behind, how it goes on, and how it ends.
//!
//! Rules only: a pure function of the session's row, the token presented and the time. Nothing here knows HTTP or SQL;
//! `db::sessions` says the same rules in one statement and is property-tested against them.

pub mod end_reason;
pub mod policy;
pub mod refresh;
pub mod session;

pub use end_reason::EndReason;
pub use policy::SessionPolicy;
pub use refresh::{Continued, Decision, Ending, Refusal, Step, decide};
pub use session::{
    Amr, CurrentSession, Delivery, Device, NewDevice, NewSession, Session, SessionId, SessionRow,
};
