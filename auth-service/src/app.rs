//! What every request needs, made once at start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use access_token::Verification;
use database::{ConnectError, Database};
use tokio::sync::Notify;

use crate::accounts::hash_threads::HashThreads;
use crate::accounts::password_hash::Cost;
use crate::config::{Config, Way};
use crate::db::sessions::Refreshes;
use crate::http::origin::AllowedOrigins;
use crate::http::presented_token::TokenFinder;
use crate::http::refresh_cookie::RefreshCookie;
use crate::mail::{Composer, Kind, Notice, Outgoing};
use crate::metrics::Metrics;
use crate::revocations::{Announcer, Feed};
use crate::second_factor::FactorBoxes;
use crate::sessions::{NewDevice, SessionPolicy};
use crate::throttle::{Attempt, Throttle};
use crate::tokens::{AccessTokens, ChallengeKeys, KeyStore, RefreshKeys};

/// The service without its sockets.
pub struct App {
    /// The pool.
    pub database: Database,
    /// Through which refreshes go to the database.
    pub refreshes: Arc<Refreshes>,
    /// The keys that sign and are published; filled by `jobs::signing_keys`.
    pub signing_keys: Arc<KeyStore>,
    /// What access tokens have in common.
    pub access_tokens: AccessTokens,
    /// Verifies them, for those who ask what one is worth.
    pub verification: Verification,
    /// Where internal services reach this one (`INTERNAL_URL`).
    pub internal_url: String,
    /// Makes and opens refresh tokens.
    pub refresh_keys: RefreshKeys,
    /// Makes and opens what stands between the two steps of a login.
    pub challenge_keys: ChallengeKeys,
    /// Closes and opens the boxes around the secrets of authenticator apps.
    pub factor_boxes: FactorBoxes,
    /// As what an authenticator app shows us.
    pub second_factor_issuer: String,
    policy: SessionPolicy,
    /// The refresh cookie.
    pub cookie: RefreshCookie,
    /// Whose pages may use it.
    pub origins: AllowedOrigins,
    /// Where passwords are hashed.
    pub hashing: HashThreads,
    /// How many attempts somebody has.
    pub throttle: Throttle,
    /// What a hash costs.
    pub cost: Cost,
    /// Whether the first administrator may be made over HTTP.
    pub allow_bootstrap: bool,
    /// What is revoked, for the gateways.
    pub feed: Arc<Feed>,
    /// Told of every revocation that is committed.
    pub announcer: Arc<Announcer>,
    /// Mail, if there is any.
    pub mail: Option<Mail>,
    /// Whether nobody logs in before their address is verified.
    pub require_verified: bool,
    /// What is counted.
    pub metrics: Metrics,
    /// Set once the start has been through with the database.
    pub prepared: Prepared,
}

/// What handlers and the mailbox of development need of mail.
#[derive(Debug)]
pub struct Mail {
    /// Prepares what handlers put into the outbox.
    pub outgoing: Outgoing,
    /// Rung when something was put there.
    pub bell: Arc<Notify>,
    /// Writes what can be read on the private listener; `None` where mail is really sent.
    pub mailbox: Option<Composer>,
}

impl Mail {
    fn new(config: &Config) -> Option<Self> {
        let (post, base) = (config.mail.post.as_ref()?, config.mail.links.base.as_ref()?);
        let outgoing = || Outgoing::new(&config.tokens.secrets, config.mail.links.lifetimes);
        let mailbox = match post.way {
            Way::Mailbox => Some(Composer::new(outgoing(), post.sender.clone(), base.clone())),
            Way::Smtp(_) => None,
        };
        Some(Self { outgoing: outgoing(), bell: Arc::default(), mailbox })
    }

    /// What somebody is told whose account is logged in from where it never was, if that is so.
    #[must_use]
    pub fn new_device(&self, attempt: &Attempt<'_>) -> NewDevice {
        let notice = self.outgoing.notice(Kind::NewDevice);
        NewDevice { notice, known_as: attempt.addresses.clone() }
    }

    /// What somebody is told whose password was replaced.
    #[must_use]
    pub fn password_changed(&self) -> Notice {
        self.outgoing.notice(Kind::PasswordChanged)
    }

    /// What somebody is told whose password somebody else seems to have.
    #[must_use]
    pub fn second_factor_failures(&self) -> Notice {
        self.outgoing.notice(Kind::SecondFactorFailures)
    }

    /// What somebody is told whose second factor was changed.
    #[must_use]
    pub fn second_factor_changed(&self) -> Notice {
        self.outgoing.notice(Kind::SecondFactorChanged)
    }
}

/// A fact that becomes true once and stays so.
#[derive(Debug, Default)]
pub struct Prepared(AtomicBool);

impl Prepared {
    /// From now on it is true.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it is.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// This installation sends no mail (`MAIL_SMTP_URL`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no mail is sent here; ask who runs this for a link")]
pub struct NoMail;

/// The database has not been there since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database has not been prepared yet")]
pub struct NotPrepared;

/// Why the service cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The roots for TLS to the database are unusable.
    #[error("the database pool cannot be set up")]
    Pool(#[from] ConnectError),
    /// The system gives no threads.
    #[error("the hash threads do not start")]
    Threads(#[from] std::io::Error),
}

impl App {
    /// Puts everything together. Nothing here waits for the database.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let database = Database::new(&config.database.url, config.database.pool)?;
        let hashing = HashThreads::start(config.hashing)?;
        let feed = Arc::default();
        let signing_keys = Arc::new(KeyStore::empty());
        let metrics = Metrics::new(&database, &hashing, &feed, &signing_keys);
        Ok(Self {
            refreshes: Arc::new(Refreshes::new(database.clone())),
            database,
            signing_keys,
            access_tokens: config.tokens.access.clone(),
            verification: Verification {
                issuer: config.tokens.access.issuer.clone(),
                audience: config.tokens.access.audience.clone(),
            },
            internal_url: config.internal_url.clone(),
            refresh_keys: RefreshKeys::new(&config.tokens.secrets),
            challenge_keys: ChallengeKeys::new(&config.tokens.secrets),
            factor_boxes: FactorBoxes::new(&config.tokens.secrets),
            second_factor_issuer: config.tokens.second_factor_issuer.clone(),
            policy: config.sessions,
            cookie: config.cookie.clone(),
            origins: config.origins.clone(),
            hashing,
            throttle: Throttle::new(&config.tokens.secrets, config.throttle),
            cost: config.hashing.cost,
            allow_bootstrap: config.allow_bootstrap,
            feed,
            announcer: Arc::default(),
            mail: Mail::new(config),
            require_verified: config.mail.require_verified,
            metrics,
            prepared: Prepared::default(),
        })
    }

    /// How long sessions live, and how long it is remembered that one was ended: until the longest-lived token of any key that is
    /// published is dead. `JWT_ACCESS_TTL` may have been longer, and may be so on another replica.
    pub fn sessions(&self) -> SessionPolicy {
        let access = self.policy.access.max(self.signing_keys.longest_token_lifetime());
        SessionPolicy { access, ..self.policy }
    }

    /// Says that something may be in the outbox.
    pub fn ring(&self) {
        if let Some(mail) = &self.mail {
            mail.bell.notify_one();
        }
    }

    /// Finds the refresh token of a request.
    pub fn token_finder(&self) -> TokenFinder<'_> {
        TokenFinder { keys: &self.refresh_keys, cookie: &self.cookie, origins: &self.origins }
    }
}
