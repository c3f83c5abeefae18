//! Every setting that this process reads, with its default and with what production asks of it. Nothing else reads the
//! environment.

use std::net::SocketAddr;
use std::time::Duration;

use identity::{UpstreamKey, Verifier};
use process::telemetry::LogSettings;
use process::{Mode, Settings, SettingsError};
use secret::Secret;

use crate::accounts::hash_threads::HashThreadsOptions;
use crate::accounts::password_hash::Cost;
use crate::http::origin::AllowedOrigins;
use crate::http::refresh_cookie::{RefreshCookie, SameSite};
use crate::sessions::SessionPolicy;
use crate::tokens::rotation::LONGEST_TOKEN;
use crate::tokens::{AccessTokens, Algorithm, Locksmith, RootSecrets, RotationPolicy};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Verifiers may keep the key set for five minutes, as its `Cache-Control` says; a key that signs sooner than that after it was
/// published is unknown to some.
const LEAST_PUBLISH_AHEAD: Duration = Duration::from_secs(10 * 60);

/// The frontends that development lets in: the sample frontend and the gateway itself.
const DEVELOPMENT_ORIGINS: [&str; 4] =
    ["http://localhost:3000", "http://127.0.0.1:3000", "http://localhost:8080", "http://127.0.0.1:8080"];

/// All settings of the auth service.
#[derive(Debug, Clone)]
pub struct Config {
    /// Development or production (`APP_ENV`).
    pub mode: Mode,
    /// How to log (`LOG`, `LOG_FORMAT`).
    pub log: LogSettings,
    /// Where the gateway and other services call (`LISTEN`).
    pub listen: SocketAddr,
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
    /// Whether the first administrator may be made over HTTP (`ALLOW_BOOTSTRAP`).
    pub allow_bootstrap: bool,
    /// How long the audit trail is kept (`AUDIT_RETENTION`).
    pub audit_retention: Duration,
}

/// Where the data is.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `DATABASE_URL`.
    pub url: database::Url,
    /// The server itself, for what a pooler in between would not carry (`DATABASE_DIRECT_URL`); else the same.
    pub direct: database::Url,
    /// The most connections at a time (`DATABASE_POOL`).
    pub pool: usize,
}

/// What tokens say and what keys come from.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// What access tokens have in common (`JWT_ISSUER`, `JWT_AUDIENCE`, `JWT_ACCESS_TTL`).
    pub access: AccessTokens,
    /// What new signing keys are for (`JWT_ALG`).
    pub algorithm: Algorithm,
    /// What keys are derived from (`JWT_SECRET`, `JWT_SECRET_PREVIOUS`).
    pub secrets: RootSecrets,
    /// How often signing keys change (`KEY_ROTATION`, `KEY_PUBLISH_AHEAD`).
    pub rotation: RotationPolicy,
}

impl TokenSettings {
    /// Makes and takes away the signing keys.
    pub fn locksmith(&self) -> Locksmith {
        Locksmith::new(&self.secrets, self.algorithm, self.rotation)
    }
}

/// How the gateway's signature is checked.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// Our name among the gateway's upstreams (`IDENTITY_NAME`).
    pub name: String,
    /// `IDENTITY_KEY`, then those of `IDENTITY_KEY_PREVIOUS`.
    pub keys: Vec<Secret<Vec<u8>>>,
}

impl IdentitySettings {
    /// Checks that a request comes from the gateway.
    pub fn verifier(&self) -> Verifier {
        Verifier::new(&self.name, self.keys.iter().cloned().map(UpstreamKey::new).collect())
    }
}

/// What commands beside `serve` need.
#[derive(Debug, Clone)]
pub struct CommandConfig {
    /// Where the data is.
    pub database: DatabaseSettings,
    /// What hashing a password costs (`BCRYPT_COST`).
    pub cost: Cost,
}

impl CommandConfig {
    /// Reads and checks what concerns them, and nothing more: a command must not fail for want of a key it does not use.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub fn read(mut settings: Settings) -> Result<Self, SettingsError> {
        let database = read_database(&mut settings);
        let cost = read_cost(&mut settings);
        settings.finish()?;
        Ok(Self { database: database.ok_or_else(no_database)?, cost })
    }
}

/// What the commands about signing keys need.
#[derive(Debug)]
pub struct KeysConfig {
    /// Where the data is.
    pub database: DatabaseSettings,
    /// Makes and takes away the keys as `serve` does.
    pub locksmith: Locksmith,
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
        Ok(Self { database: database.ok_or_else(no_database)?, locksmith })
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
        let sessions = read_sessions(&mut settings, tokens.access.lifetime);
        let cookie = read_cookie(&mut settings);
        let origins = read_origins(&mut settings);
        let identity = read_identity(&mut settings);
        let hashing = read_hashing(&mut settings);
        let allow_bootstrap = read_allow_bootstrap(&mut settings);
        let audit_retention = duration_within(&mut settings, "AUDIT_RETENTION", 90 * DAY, DAY, 3660 * DAY);
        let mode = settings.mode();
        settings.finish()?;
        let database = database.ok_or_else(no_database)?;
        Ok(Self {
            mode,
            log,
            listen,
            admin_listen,
            database,
            tokens,
            sessions,
            cookie,
            origins,
            identity,
            hashing,
            allow_bootstrap,
            audit_retention,
        })
    }
}

/// Only the compiler needs this: a missing URL was complained about when it was read.
fn no_database() -> SettingsError {
    SettingsError(vec!["DATABASE_URL is required".to_owned()])
}

fn read_database(settings: &mut Settings) -> Option<DatabaseSettings> {
    let url = settings.required("DATABASE_URL");
    let pool = settings.number("DATABASE_POOL", 16);
    if pool == 0 {
        settings.problem("DATABASE_POOL", "must be at least 1");
    }
    let direct = settings.text("DATABASE_DIRECT_URL");
    let direct = direct.and_then(|direct| read_url(settings, "DATABASE_DIRECT_URL", &direct));
    if url.is_empty() {
        return None;
    }
    let url = read_url(settings, "DATABASE_URL", &url)?;
    Some(DatabaseSettings { direct: direct.unwrap_or_else(|| url.clone()), url, pool })
}

fn read_url(settings: &mut Settings, name: &str, text: &str) -> Option<database::Url> {
    text.parse().map_err(|error| settings.problem(name, error)).ok()
}

fn read_tokens(settings: &mut Settings) -> TokenSettings {
    let access = AccessTokens {
        issuer: read_issuer(settings),
        audience: settings.text("JWT_AUDIENCE").unwrap_or_else(|| "portcullis".to_owned()),
        lifetime: read_access_lifetime(settings),
    };
    let (algorithm, secrets) = (read_algorithm(settings), read_secrets(settings));
    let rotation = read_rotation(settings, access.lifetime);
    TokenSettings { access, algorithm, secrets, rotation }
}

fn read_access_lifetime(settings: &mut Settings) -> Duration {
    duration_within(settings, "JWT_ACCESS_TTL", 15 * MINUTE, SECOND, LONGEST_TOKEN)
}

fn read_secrets(settings: &mut Settings) -> RootSecrets {
    let (secret, previous) = (settings.required_key("JWT_SECRET"), settings.keys("JWT_SECRET_PREVIOUS"));
    RootSecrets::new(&secret, &previous)
}

fn read_rotation(settings: &mut Settings, token_lifetime: Duration) -> RotationPolicy {
    let production = settings.mode().is_production();
    let least = if production { LEAST_PUBLISH_AHEAD } else { 5 * SECOND };
    let policy = RotationPolicy {
        every: duration_within(settings, "KEY_ROTATION", 30 * DAY, SECOND, 366 * DAY),
        publish_ahead: duration_within(settings, "KEY_PUBLISH_AHEAD", 15 * MINUTE, least, 30 * DAY),
        token_lifetime,
    };
    if policy.every <= policy.publish_ahead {
        settings.problem("KEY_ROTATION", "must be longer than KEY_PUBLISH_AHEAD");
    }
    policy
}

fn read_issuer(settings: &mut Settings) -> String {
    let given = settings.text("JWT_ISSUER");
    if settings.mode().is_production() && !given.as_ref().is_some_and(|issuer| issuer.starts_with("https://"))
    {
        settings.problem("JWT_ISSUER", "must be the public https:// address in production");
    }
    given.unwrap_or_else(|| "http://localhost:8080".to_owned())
}

fn read_algorithm(settings: &mut Settings) -> Algorithm {
    let algorithm = settings.text("JWT_ALG").map_or(Ok(Algorithm::Es256), |text| text.parse());
    algorithm.unwrap_or_else(|_unknown| {
        settings.problem("JWT_ALG", "may be ES256 or EdDSA");
        Algorithm::Es256
    })
}

fn read_sessions(settings: &mut Settings, access: Duration) -> SessionPolicy {
    let policy = SessionPolicy {
        idle: duration_within(settings, "JWT_REFRESH_TTL", 7 * DAY, SECOND, 366 * DAY),
        absolute: duration_within(settings, "SESSION_MAX_TTL", 30 * DAY, SECOND, 366 * DAY),
        grace: duration_within(settings, "REFRESH_GRACE", 10 * SECOND, Duration::ZERO, HOUR),
        access,
    };
    if policy.grace >= policy.idle {
        settings.problem("REFRESH_GRACE", "must be shorter than JWT_REFRESH_TTL");
    }
    policy
}

fn read_cookie(settings: &mut Settings) -> RefreshCookie {
    let production = settings.mode().is_production();
    let cookie = RefreshCookie {
        secure: settings.flag("COOKIE_SECURE", production),
        domain: read_cookie_domain(settings),
        same_site: read_same_site(settings),
    };
    if production && !cookie.secure {
        settings.problem("COOKIE_SECURE", "may not be false in production");
    }
    if cookie.same_site == SameSite::None && !cookie.secure {
        settings.problem("COOKIE_SAMESITE", "may be None only with COOKIE_SECURE=true");
    }
    cookie
}

fn read_cookie_domain(settings: &mut Settings) -> Option<String> {
    let domain = settings.text("COOKIE_DOMAIN")?;
    let characters_fit =
        domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if !characters_fit || domain.split('.').any(str::is_empty) {
        settings.problem("COOKIE_DOMAIN", "must be a host name such as example.com");
    }
    Some(domain)
}

fn read_same_site(settings: &mut Settings) -> SameSite {
    match settings.text("COOKIE_SAMESITE").as_deref() {
        None | Some("Strict") => SameSite::Strict,
        Some("Lax") => SameSite::Lax,
        Some("None") => SameSite::None,
        Some(_) => {
            settings.problem("COOKIE_SAMESITE", "may be Strict, Lax or None");
            SameSite::Strict
        }
    }
}

fn read_origins(settings: &mut Settings) -> AllowedOrigins {
    let production = settings.mode().is_production();
    let origins = settings.list("ALLOWED_ORIGINS");
    for origin in &origins {
        if !is_origin(origin) {
            let example = "is no origin as browsers write them, such as https://shop.example";
            settings.problem("ALLOWED_ORIGINS", format_args!("has {origin:?}, which {example}"));
        } else if production && !origin.starts_with("https://") {
            settings.problem(
                "ALLOWED_ORIGINS",
                format_args!("has {origin:?}; in production only https:// is let in"),
            );
        }
    }
    if origins.is_empty() && production {
        settings.problem("ALLOWED_ORIGINS", "is required in production: the origins of your frontends");
    } else if origins.is_empty() {
        return AllowedOrigins::new(DEVELOPMENT_ORIGINS.map(str::to_owned));
    }
    AllowedOrigins::new(origins)
}

/// `scheme://host[:port]` in lower case, without a default port, as in the `Origin` header (RFC 6454, 6.2).
fn is_origin(text: &str) -> bool {
    let (host, default_port) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(host), _) => (host, ":443"),
        (None, Some(host)) => (host, ":80"),
        (None, None) => return false,
    };
    let is_plain = |character: char| !character.is_ascii_uppercase() && !"/?#@*, ".contains(character);
    !host.is_empty() && !host.ends_with(default_port) && host.is_ascii() && host.chars().all(is_plain)
}

fn read_identity(settings: &mut Settings) -> IdentitySettings {
    let name = settings.text("IDENTITY_NAME").unwrap_or_else(|| "auth".to_owned());
    if !identity::names::is_upstream_name(&name) {
        settings.problem("IDENTITY_NAME", "may have 1 to 64 letters, digits, - and _");
    }
    let mut keys = vec![settings.required_key("IDENTITY_KEY")];
    keys.extend(settings.keys("IDENTITY_KEY_PREVIOUS"));
    IdentitySettings { name, keys }
}

fn read_hashing(settings: &mut Settings) -> HashThreadsOptions {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = settings.number("HASH_THREADS", cores.saturating_sub(1).max(1));
    if !(1..=256).contains(&threads) {
        settings.problem("HASH_THREADS", "must be between 1 and 256");
    }
    let deadline = duration_within(settings, "HASH_QUEUE_DEADLINE", 2 * SECOND, Duration::ZERO, MINUTE);
    HashThreadsOptions { threads, cost: read_cost(settings), deadline }
}

fn read_cost(settings: &mut Settings) -> Cost {
    let number = settings.number("BCRYPT_COST", Cost::DEFAULT.get());
    let cost = Cost::new(number).unwrap_or_else(|| {
        let (least, most) = (Cost::LEAST.get(), Cost::MOST.get());
        settings.problem("BCRYPT_COST", format_args!("must be between {least} and {most}"));
        Cost::DEFAULT
    });
    if settings.mode().is_production() && cost < Cost::LEAST_IN_PRODUCTION {
        let least = Cost::LEAST_IN_PRODUCTION.get();
        settings.problem("BCRYPT_COST", format_args!("must be at least {least} in production"));
    }
    cost
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
