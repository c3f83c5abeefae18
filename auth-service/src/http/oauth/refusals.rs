//! What these endpoints may answer beside success, for the OpenAPI document.

use utoipa::IntoResponses;

use super::error::ErrorAnswer;

/// What each of them may. 400 and 403 differ, and each says them itself; `error.rs` decides.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it describes what OAuthError answers, and is never made")]
pub(super) enum Refusals<'a> {
    /// `invalid_client`.
    #[response(status = 401)]
    NotTheClient(ErrorAnswer<'a>),
    /// `invalid_request`: too slow.
    #[response(status = 408)]
    TooSlow(ErrorAnswer<'a>),
    /// `invalid_request`: over 16 KiB.
    #[response(status = 413)]
    TooLarge(ErrorAnswer<'a>),
    /// `temporarily_unavailable`: too many failures.
    #[response(status = 429)]
    Throttled(ErrorAnswer<'a>),
    /// `server_error`.
    #[response(status = 500)]
    Failed(ErrorAnswer<'a>),
    /// `temporarily_unavailable`.
    #[response(status = 503)]
    Unavailable(ErrorAnswer<'a>),
}
