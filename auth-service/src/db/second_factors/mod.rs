//! `second_factors` and `recovery_codes`: enrolled, confirmed and removed by the account's owner, each in one statement.
//!
//! The second step of a login loads here; what it shows is used up by the statement that opens the session
//! (`sessions/open.sql`).

mod alarm;
mod asked;
mod confirm;
mod disable;
mod enrol;
mod find;
mod for_login;
mod recovery_codes;
mod reencrypt;
mod required;
mod reset;
mod status;

pub use alarm::raise_alarm;
pub use asked::Change;
pub use confirm::{Confirmation, confirm};
pub use disable::disable;
pub use enrol::{Enrolment, enrol};
pub use find::{Enrolled, find};
pub use for_login::{FoundForLogin, find_for_login};
pub use recovery_codes::replace_recovery_codes;
pub use reencrypt::{Reencrypted, reencrypt};
pub use required::{Recorded, RightPassword, record_required};
pub use reset::{OperatorReset, reset, reset_by_operator};
pub use status::{Status, status};
