//! In which session the caller asks, by the gateway's word. Whoever acts on it lets the database look at it again.

use identity_axum::CurrentUser;
use uuid::Uuid;

use crate::accounts::UserId;
use crate::sessions::{CurrentSession, SessionId};

/// The gateway let the caller in, and there is no session to act in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSession {
    /// Its ids are none of this service's.
    #[error("only a user has a session")]
    NotAUser,
    /// It ended while the access token was still good.
    #[error("the session has ended")]
    Ended,
}

/// The session that the caller's access token is of.
pub fn current_session(caller: &CurrentUser) -> Result<CurrentSession, NoSession> {
    let id = |text: &str| text.parse::<Uuid>().map_err(|_no_id| NoSession::NotAUser);
    Ok(CurrentSession { user: UserId(id(&caller.id)?), session: SessionId(id(&caller.session_id)?) })
}
