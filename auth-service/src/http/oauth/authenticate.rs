//! Whether a request comes from the client that it names. One statement; a second one when it does not.

use super::credentials::Credentials;
use super::error::OAuthError;
use crate::app::{App, NotPrepared};
use crate::clients::authenticate::{By, NotTheClient, decide};
use crate::clients::introspection::{Standing, Subject};
use crate::clients::{Client, ClientId};
use crate::db::clients;
use crate::http::throttling;
use crate::sessions::Device;
use crate::throttle::{Purpose, Subject as Tried};

/// A client that has proved who it is, and what was read along with it.
pub(super) struct Authenticated {
    pub(super) client: Client,
    /// By which secret.
    pub(super) by: By,
    /// How the token stands that it asks about.
    pub(super) standing: Standing,
    /// When all of this was so, by the database's clock.
    pub(super) now: time::OffsetDateTime,
}

impl Authenticated {
    /// Refuses a client without a scope.
    pub(super) fn require(&self, scope: &'static str) -> Result<(), OAuthError> {
        if self.client.scopes.contains(scope) { Ok(()) } else { Err(OAuthError::InsufficientScope(scope)) }
    }
}

/// Asks for the client, and for what `subject` stands on.
pub(super) async fn authenticate(
    app: &App,
    credentials: &Credentials,
    subject: Option<&Subject>,
    device: &Device,
) -> Result<Authenticated, OAuthError> {
    if !app.prepared.is_set() {
        return Err(NotPrepared.into());
    }
    let clients::Answer { now, client, standing } =
        clients::ask(&app.database, &credentials.id, subject).await?;
    match (decide(client.as_ref(), &credentials.secret.hash(), now), client) {
        (Ok(by), Some(client)) => Ok(Authenticated { client, by, standing, now }),
        _ => Err(refuse(app, &credentials.id, device).await),
    }
}

/// Counts the failure. The right secret is never turned away: nobody finds 256 random bits by trying, and a replica that
/// still has the old ones must not lock out those that have the new. Whether the client exists makes no difference here.
async fn refuse(app: &App, id: &ClientId, device: &Device) -> OAuthError {
    let tried = app.throttle.attempt(Purpose::Client, Tried::Client(id.as_str()), device.address);
    match throttling::count(app, &tried, None, device).await {
        Ok(_counted) => {
            let address = device.address_text();
            tracing::warn!(client = id.as_str(), address, "a client was refused");
            NotTheClient.into()
        }
        Err(error) => error.into(),
    }
}
