//! What an internal service needs to know of the auth service: tokens of its own, whose token somebody shows it, and how to
//! end a session.
//!
//! ```no_run
//! use auth_client::Client;
//!
//! # async fn example(secret: String) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://auth.internal:8081", "billing", secret).scope("orders:read").build()?;
//!
//! // A token of our own, fetched when there is none and before the one there is expires.
//! let token = client.token().await?;
//! let orders = reqwest::Client::new()
//!     .get("https://shop.example/api/services/orders")
//!     .header("authorization", token.header())
//!     .send()
//!     .await?;
//! # drop(orders);
//!
//! // Somebody else's, checked here with the published keys.
//! let verifier = client.verifier("https://shop.example", "portcullis");
//! let claims = verifier.verify("eyJ…").await?;
//! # drop(claims);
//! # Ok(())
//! # }
//! ```
//!
//! A whole service stands in `examples/billing.rs`, which the tests run.
//!
//! [`Verifier::verify`] asks nobody, so it does not know what was revoked since the token was signed; a token lives for
//! `JWT_ACCESS_TTL`. Where that is too long, ask [`Client::introspect`], or stand behind the gateway and import
//! `identity-axum` instead.

mod builder;
mod client;
mod error;
mod introspection;
mod keys;
mod token;
mod transport;
mod verifier;

pub use access_token::{Claims, Refusal};
pub use builder::{BuildError, Builder};
pub use client::Client;
pub use error::CallError;
pub use introspection::{Introspection, TokenInfo};
pub use token::AccessToken;
pub use verifier::{Verifier, VerifyError};
