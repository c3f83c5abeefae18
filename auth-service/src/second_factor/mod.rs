//! The second factor: codes of an authenticator app, and the recovery codes for when it is lost.
//!
//! Rules only. What is secret lies in the database in boxes (`secret_box`) or hashed (`recovery_code`); that a code is good
//! once is decided by the statement that opens the session (`db/sessions/open.sql`).

pub mod authenticator;
pub mod code;
pub mod enrolment;
pub mod factor;
pub mod login;
pub mod recovery_code;
pub mod secret_box;

pub use authenticator::{Authenticator, Step};
pub use code::Code;
pub use factor::{Factor, FactorId};
pub use recovery_code::{RecoveryCode, RecoveryHash};
pub use secret_box::{FactorBoxes, SealedSecret};
