//! `clients`: made, given new secrets and deleted by whoever runs the service; asked for by those who say to be one.

mod administration;
mod ask;

pub use administration::{NotMade, Registered, create, delete, list, rotate};
pub use ask::{Answer, ask};
