//! Whether a request would succeed now, for whoever decides where requests go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use process::Mode;
use process::private::{NotReady, Page, Probe};
use time::OffsetDateTime;

use crate::app::App;
use crate::db::schema_version;
use crate::http::document::document;

/// Answers the operator's questions.
pub struct Readiness {
    app: Arc<App>,
    mode: Mode,
    listening: AtomicBool,
}

impl Readiness {
    /// A service that does not listen yet.
    #[must_use]
    pub const fn new(app: Arc<App>) -> Self {
        Self { app, mode: Mode::Production, listening: AtomicBool::new(false) }
    }

    /// The same with the pages that this mode shows.
    #[must_use]
    pub fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// From now on requests may come (`true`), or should go elsewhere (`false`).
    pub fn set_listening(&self, listening: bool) {
        self.listening.store(listening, Ordering::Relaxed);
    }

    /// What a request would want in vain, if there were one; empty when it would succeed.
    pub async fn lacks(&self) -> Vec<String> {
        let no_key = self.app.signing_keys.signer(OffsetDateTime::now_utc()).is_none();
        let keys = no_key.then(|| "signing key: none that can be used".to_owned());
        self.database().await.into_iter().chain(keys).collect()
    }

    async fn database(&self) -> Option<String> {
        match schema_version::is_current(&self.app.database).await {
            Ok(true) => None,
            Ok(false) => Some("migrations: the schema is behind; run `auth-service migrate`".to_owned()),
            Err(database::Error::Unavailable(_)) => Some("database: away".to_owned()),
            Err(database::Error::Statement(_)) => {
                Some("migrations: the database was never migrated".to_owned())
            }
        }
    }
}

impl Probe for Readiness {
    async fn ready(&self) -> Result<(), NotReady> {
        let closed = (!self.listening.load(Ordering::Relaxed)).then(|| "starting or draining".to_owned());
        let reasons: Vec<_> = closed.into_iter().chain(self.lacks().await).collect();
        if reasons.is_empty() { Ok(()) } else { Err(NotReady(reasons)) }
    }

    fn metrics(&self) -> String {
        self.app.metrics.encode()
    }

    fn page(&self, path: &str) -> Option<Page> {
        http_api::document::page(path, self.mode, document)
    }
}
