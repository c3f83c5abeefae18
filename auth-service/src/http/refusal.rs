//! How a request that stands on a refresh token is refused, and when the browser forgets its cookie with it.

use axum::http::header::SET_COOKIE;
use http_api::Failure;

use super::presented_token::NoToken;
use super::refresh_cookie::RefreshCookie;
use crate::error::Error;

/// The answer to `error`.
///
/// The cookie is deleted only where two of them stand in each other's way. Browsers delete by name: the late refusal of a
/// session that is over would take away the cookie of the one that another tab has just opened.
pub fn refuse(cookie: &RefreshCookie, error: Error) -> Failure {
    if !matches!(error, Error::NoToken(NoToken::Ambiguous)) {
        return error.into();
    }
    let lines = cookie.delete().into_iter();
    lines.fold(error.problem(), |problem, line| problem.with_header(SET_COOKIE, line)).into()
}
