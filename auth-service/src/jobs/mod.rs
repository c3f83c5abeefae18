//! What the service does on its own, between requests. Jobs stand beside handlers: they use the rules and the tables.

pub mod outbox;
pub mod purge;
pub mod revocation_feed;
pub mod signing_keys;
