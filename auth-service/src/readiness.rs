//! Whether a request would succeed now, for whoever decides where requests go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use database::Database;
use process::Mode;
use process::private::{NotReady, Page, Probe};
use time::OffsetDateTime;

use crate::app::App;
use crate::db::{outbox, schema_version};
use crate::http::document::document;
use crate::mail::{Composer, Letter, mailbox};

/// How many mails the mailbox of development shows.
const SHOWN: i64 = 200;

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

    /// A page of the mailbox, where there is one: in development, when mail is not really sent.
    async fn mailbox(&self, path: &str) -> Option<Page> {
        let composer = self.app.mail.as_ref()?.mailbox.as_ref()?;
        let written: fn(&[Letter]) -> Page = match path {
            "/mailbox" => html,
            "/mailbox.json" => json,
            _ => return None,
        };
        Some(written(&letters(&self.app.database, composer).await))
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

    async fn page(&self, path: &str) -> Option<Page> {
        match self.mailbox(path).await {
            Some(page) => Some(page),
            None => http_api::document::page(path, self.mode, document),
        }
    }
}

/// What the mailbox of development holds: what cannot be read any more is left out.
async fn letters(db: &Database, composer: &Composer) -> Vec<Letter> {
    match outbox::newest_sent(db, SHOWN).await {
        Ok(mails) => mails.iter().filter_map(|mail| composer.write(mail).ok()).collect(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the mailbox cannot be read");
            Vec::new()
        }
    }
}

fn html(letters: &[Letter]) -> Page {
    Page::html(mailbox::page(letters))
}

fn json(letters: &[Letter]) -> Page {
    let body = mailbox::json(letters).unwrap_or_else(|error| {
        tracing::error!(%error, "the mailbox cannot be written");
        String::new()
    });
    Page::json(body)
}
