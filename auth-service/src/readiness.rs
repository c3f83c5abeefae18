//! Whether a request would succeed now, for whoever decides where requests go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use process::private::{NotReady, Probe};
use time::OffsetDateTime;

use crate::app::App;
use crate::db::schema_version;

/// Answers the operator's questions.
pub struct Readiness {
    app: Arc<App>,
    draining: AtomicBool,
}

impl Readiness {
    /// A service that is not draining.
    #[must_use]
    pub const fn new(app: Arc<App>) -> Self {
        Self { app, draining: AtomicBool::new(false) }
    }

    /// From now on no new request should come here.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
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
        let draining = self.draining.load(Ordering::Relaxed).then(|| "draining".to_owned());
        let no_key = self.app.signing_keys.signer(OffsetDateTime::now_utc()).is_none();
        let keys = no_key.then(|| "signing key: none that can be used".to_owned());
        let reasons: Vec<_> = [draining, self.database().await, keys].into_iter().flatten().collect();
        if reasons.is_empty() { Ok(()) } else { Err(NotReady(reasons)) }
    }

    fn metrics(&self) -> String {
        self.app.metrics.encode()
    }
}
