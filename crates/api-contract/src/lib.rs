//! An OpenAPI document as a judge: whether an answer is one that the document promises, and whether it names what is routed.
//!
//! For tests only. It knows no service of ours; everything comes from the document.

#![expect(clippy::expect_used, reason = "a document that cannot be used fails the test, and says why")]

mod answer;
mod contract;
mod lint;
mod lookup;
mod routes;

pub use answer::{Answer, Breach};
pub use contract::Contract;
pub use lint::lacks;
pub use routes::{Operation, operations, routed};
