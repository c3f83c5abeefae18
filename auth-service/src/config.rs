//! Every setting that this process reads, with its default and with what production asks of it. Nothing else reads the
//! environment.

mod database;
mod hashing;
mod identity;
mod internal;
mod mail;
mod sessions;
mod throttle;
mod tokens;

use std::net::SocketAddr;
use std::time::Duration;

use process::telemetry::LogSettings;
use process::{Mode, Settings, SettingsError};

pub use self::database::DatabaseSettings;
use self::database::{no_database, read_database};
use self::hashing::{read_cost, read_hashing};
pub use self::identity::IdentitySettings;
use self::identity::read_identity;
use self::internal::read_internal_url;
pub use self::mail::{LinkSettings, MailSettings, PostSettings, Way};
use self::mail::{read_links, read_mail};
use self::sessions::{read_cookie, read_origins, read_sessions};
use self::throttle::read_throttle;
pub use self::tokens::TokenSettings;
use self::tokens::{read_access_lifetime, read_algorithm, read_rotation, read_secrets, read_tokens};
use crate::accounts::hash_threads::HashThreadsOptions;
use crate::accounts::password_hash::Cost;
use crate::http::origin::AllowedOrigins;
use crate::http::refresh_cookie::RefreshCookie;
use crate::mail::LinkBase;
use crate::second_factor::FactorBoxes;
use crate::sessions::SessionPolicy;
use crate::throttle::Limits;
use crate::tokens::Locksmith;
use crate::tokens::rotation::LONGEST_TOKEN;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// All settings of the auth service.
#[derive(Debug, Clone)]
pub struct Config {
    /// Development or production (`APP_ENV`).
    pub mode: Mode,
    /// How to log (`LOG`, `LOG_FORMAT`).
    pub log: LogSettings,
    /// Where the gateway and other services call (`LISTEN`).
    pub listen: SocketAddr,
    /// Under which address internal services reach it (`INTERNAL_URL`).
    pub internal_url: String,
    /// Where the operator looks (`ADMIN_LISTEN`).
    pub admin_listen: SocketAddr,
    /// Where the data is.
    pub database: DatabaseSettings,
    /// What is signed, and with what.
    pub tokens: TokenSettings,
    /// How long sessions live (`JWT_REFRESH_TTL`, `SESSION_MAX_TTL`, `REFRESH_GRACE`).
    pub sessions: SessionPolicy,
    /// The refresh cookie (`COOKIE_SECURE`, `COOKIE_DOMAIN`, `COOKIE_SAMESITE`).
    pub cookie: RefreshCookie,
    /// Whose pages may use it (`ALLOWED_ORIGINS`).
    pub origins: AllowedOrigins,
    /// How the gateway's signature is checked.
    pub identity: IdentitySettings,
    /// How passwords are hashed (`BCRYPT_COST`, `HASH_THREADS`, `HASH_QUEUE_DEADLINE`).
    pub hashing: HashThreadsOptions,
    /// How many attempts may fail.
    pub throttle: Limits,
    /// Whether the first administrator may be made over HTTP (`ALLOW_BOOTSTRAP`).
    pub allow_bootstrap: bool,
    /// How long the audit trail is kept (`AUDIT_RETENTION`).
    pub audit_retention: Duration,
    /// Whether and how mail is sent, and what it is asked for.
    pub mail: MailSettings,
}

/// What commands beside `serve` need.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// Where the data is.
    pub database: DatabaseSettings,
    /// What hashing a password costs (`BCRYPT_COST`).
    pub cost: Cost,
    /// How long sessions live, and that what they revoke is remembered for as long as a token may live at most: whatever
    /// `JWT_ACCESS_TTL` is where the command runs.
    pub sessions: SessionPolicy,
}

impl CommandConfig {
    /// Reads and checks what concerns them, and nothing more: a command must not fail for want of a key it does not use.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = read_database(&mut settings);
        let cost = read_cost(&mut settings);
        let sessions = read_sessions(&mut settings, LONGEST_TOKEN);
        settings.finish()?;
        Ok(Self { database: database.ok_or_else(no_database)?, cost, sessions })
    }
}

/// What a link to replace a password is made with.
#[derive(Debug, Clone)]
pub struct ResetLinkConfig {
    /// Where the data is.
    pub database: DatabaseSettings,
    /// Where the link leads (`MAIL_LINK_BASE`).
    pub base: LinkBase,
    /// How long its token is good (`MAIL_RESET_TTL`).
    pub lifetime: Duration,
}

impl ResetLinkConfig {
    /// Reads and checks what concerns it.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = read_database(&mut settings);
        let LinkSettings { base, lifetimes } = read_links(&mut settings);
        if settings.text("MAIL_LINK_BASE").is_none() && base.is_none() {
            settings.problem("MAIL_LINK_BASE", "is required: your frontend's address");
        }
        settings.finish()?;
        let base = base.ok_or_else(|| SettingsError(vec!["MAIL_LINK_BASE is required".to_owned()]))?;
        Ok(Self { database: database.ok_or_else(no_database)?, base, lifetime: lifetimes.reset })
    }
}

/// What the commands about signing keys need.
#[derive(Debug)]
pub struct KeysConfig {
    /// Where the data is.
    pub database: DatabaseSettings,
    /// Makes and takes away the keys as `serve` does.
    pub locksmith: Locksmith,
    /// Closes and opens the boxes around the secrets of authenticator apps.
    pub factor_boxes: FactorBoxes,
}

impl KeysConfig {
    /// Reads and checks what concerns them.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = read_database(&mut settings);
        let lifetime = read_access_lifetime(&mut settings);
        let (algorithm, secrets) = (read_algorithm(&mut settings), read_secrets(&mut settings));
        let rotation = read_rotation(&mut settings, lifetime);
        settings.finish()?;
        let locksmith = Locksmith::new(&secrets, algorithm, rotation);
        let factor_boxes = FactorBoxes::new(&secrets);
        Ok(Self { database: database.ok_or_else(no_database)?, locksmith, factor_boxes })
    }
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = read_database(&mut settings);
        let log = LogSettings::read(&mut settings);
        let listen = settings.address("LISTEN", SocketAddr::from(([127, 0, 0, 1], 8081)));
        let admin_listen = settings.address("ADMIN_LISTEN", SocketAddr::from(([127, 0, 0, 1], 9081)));
        let tokens = read_tokens(&mut settings);
        let internal_url = read_internal_url(&mut settings, listen, &tokens.access.issuer);
        let sessions = read_sessions(&mut settings, tokens.access.lifetime);
        let cookie = read_cookie(&mut settings);
        let origins = read_origins(&mut settings);
        let identity = read_identity(&mut settings);
        let hashing = read_hashing(&mut settings);
        let throttle = read_throttle(&mut settings);
        let allow_bootstrap = read_allow_bootstrap(&mut settings);
        let audit_retention = duration_within(&mut settings, "AUDIT_RETENTION", 90 * DAY, DAY, 3660 * DAY);
        let mail = read_mail(&mut settings);
        let mode = settings.mode();
        settings.finish()?;
        let database = database.ok_or_else(no_database)?;
        Ok(Self {
            mode,
            log,
            listen,
            internal_url,
            admin_listen,
            database,
            tokens,
            sessions,
            cookie,
            origins,
            identity,
            hashing,
            throttle,
            allow_bootstrap,
            audit_retention,
            mail,
        })
    }
}

fn read_allow_bootstrap(settings: &mut Settings) -> bool {
    let production = settings.mode().is_production();
    let allow = settings.flag("ALLOW_BOOTSTRAP", !production);
    if production && allow {
        let instead = "make the first administrator with `auth-service users create --role ADMIN`";
        settings.problem("ALLOW_BOOTSTRAP", format_args!("may not be true in production; {instead}"));
    }
    allow
}

fn duration_within(
    settings: &mut Settings,
    name: &str,
    default: Duration,
    least: Duration,
    most: Duration,
) -> Duration {
    let duration = settings.duration(name, default);
    if !(least..=most).contains(&duration) {
        let (least, most) = (least.as_secs(), most.as_secs());
        settings.problem(name, format_args!("must be between {least}s and {most}s"));
    }
    duration
}

#[cfg(test)]
mod tests;
