//! From where a request comes, as far as the gateway vouches for it.

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use identity_axum::Caller;

use crate::sessions::Device;

/// The caller's address, which only the gateway knows, and what the client calls itself.
pub fn device(caller: &Caller, headers: &HeaderMap) -> Device {
    let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
    Device::new(caller.client_address, user_agent).in_request(&caller.request_id)
}
