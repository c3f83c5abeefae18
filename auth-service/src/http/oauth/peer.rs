//! From where a call comes that did not come through the gateway.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use http_api::PeerAddress;

use crate::sessions::Device;

/// The connection's other end. Headers that name another address are nobody's word here.
#[derive(Debug)]
pub struct Peer(pub(super) Device);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<PeerAddress>().map(|peer| peer.0.ip());
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self(Device::new(address, user_agent)))
    }
}
