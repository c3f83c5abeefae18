//! Clients: internal services that get tokens of their own and may ask about others'. The rules; they know neither axum nor
//! diesel.

pub mod authenticate;
pub mod client;
pub mod introspection;
pub mod scopes;
pub mod secret;

pub use client::{Client, ClientId};
pub use scopes::Scopes;
pub use secret::{ClientSecret, SecretHash};
