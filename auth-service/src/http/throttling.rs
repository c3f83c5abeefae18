//! Attempts that a handler counts apart from what it loads, and how whoever has made too many is turned away.

use serde_json::json;

use crate::accounts::UserId;
use crate::app::App;
use crate::db::audit::{self, Event, Kind};
use crate::db::throttles::{self, Outcome};
use crate::error::Error;
use crate::sessions::Device;
use crate::throttle::{Attempt, Refund, Throttled};

/// Counts an attempt before it is made. The answer is what to take back if it does not fail.
pub async fn count(
    app: &App,
    attempt: &Attempt<'_>,
    user: Option<UserId>,
    device: &Device,
) -> Result<Refund, Error> {
    match throttles::count(&app.database, attempt).await? {
        Ok(refund) => Ok(refund),
        Err(throttled) => Err(turn_away(app, throttled, user, device).await),
    }
}

/// Counts who is turned away. The first time for each deadline is on record too: a flood leaves one row.
pub async fn turn_away(app: &App, throttled: Throttled, user: Option<UserId>, device: &Device) -> Error {
    app.metrics.count_throttled(&throttled);
    if throttled.is_first {
        let detail = json!({
            "purpose": throttled.purpose.as_str(),
            "limit": throttled.scope.as_str(),
            "retryAfter": throttled.retry_after.as_secs().saturating_add(1),
        });
        let event = Event { kind: Kind::Throttled, user, session: None, actor: None, device, detail };
        audit::note(&app.database, &event).await;
    }
    throttled.into()
}

/// Takes an attempt back that did not fail. If that cannot be done it stays counted, which is no reason to fail.
pub async fn take_back(app: &App, refund: &Refund, outcome: Outcome) {
    if let Err(error) = throttles::refund(&app.database, refund, outcome).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "an attempt that did not fail stays counted"
        );
    }
}
