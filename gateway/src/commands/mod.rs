//! What an operator asks of the gateway without starting it. Each command answers text; printing is `main`'s.

mod check;
mod explain;
mod identity_key;

pub use check::{CheckError, check};
pub use explain::{Question, explain};
pub use identity_key::identity_key;
