//! A refusal after which the browser had better forget its refresh cookie.

use axum::http::header::SET_COOKIE;
use http_api::Failure;

use super::refresh_cookie::RefreshCookie;
use crate::error::Error;

/// The answer to `error`, with `cookie` deleted.
pub fn forgetting(cookie: &RefreshCookie, error: &Error) -> Failure {
    let lines = cookie.delete().into_iter();
    lines.fold(error.problem(), |problem, line| problem.with_header(SET_COOKIE, line)).into()
}
