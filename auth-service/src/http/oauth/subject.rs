//! Which of our tokens a text is.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::app::App;
use crate::clients::introspection::Subject;
use crate::sessions::SessionId;

/// The token, if it is one of ours and has not expired; whether it still counts, the database knows. No hint is needed: a
/// refresh token and an access token look different.
pub(super) fn subject(app: &App, text: &str) -> Option<Subject> {
    if let Ok(token) = app.refresh_keys.open(text) {
        return Some(Subject::Refresh(token));
    }
    // By the clock that dated the token.
    let now = app.signing_keys.database_time(OffsetDateTime::now_utc()).unix_timestamp();
    let claims = app.verification.verify(text, &app.signing_keys.verification_keys(), now).ok()?;
    match &claims.sid {
        None => Some(Subject::Client(Box::new(claims))),
        Some(session) => {
            let session = SessionId(Uuid::parse_str(session).ok()?);
            Some(Subject::User(Box::new(claims), session))
        }
    }
}
