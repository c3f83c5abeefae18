//! Tokens: the only place where any are made.
//!
//! Refresh tokens under keys derived from `JWT_SECRET`, access tokens under signing keys that live sealed in the database.
//! Rules only: `db::signing_keys` stores the boxes, `jobs::signing_keys` keeps the set fresh and lets it rotate. `EncodingKey`, `encode` and key
//! pairs appear nowhere else in Portcullis.

pub mod access_token;
pub mod client_token;
pub mod key_box;
pub mod key_store;
pub mod locksmith;
pub mod login_challenge;
pub mod refresh_token;
pub mod root;
pub mod rotation;
pub mod sealing;
pub mod signing_key;

pub use access_token::{AccessTokens, Grant};
pub use key_box::{BoxKeys, SealedKey};
pub use key_store::KeyStore;
pub use locksmith::Locksmith;
pub use login_challenge::{ChallengeKeys, LoginChallenge};
pub use refresh_token::{InvalidToken, Nonce, RefreshKeys, RefreshToken};
pub use root::RootSecrets;
pub use rotation::RotationPolicy;
pub use signing_key::{Algorithm, SigningKey};
