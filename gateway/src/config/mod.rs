//! The configuration: one TOML file and a few settings of the environment, checked before anything starts.
//!
//! Owns the types below, which are valid by construction: every upstream that a route names exists, every route
//! states its access, nothing contradicts the mode. The only module of the gateway that reads the environment.

mod access;
mod check;
mod cors;
mod error;
mod expand;
mod file;
mod headers;
mod older;
mod policy_tests;
mod rates;
mod routes;
mod upstreams;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Uri};
use identity::RootKey;
use ipnet::IpNet;
use process::telemetry::LogSettings;
use process::{Mode, Settings};
use serde::Deserialize;

pub use error::{Complaint, ConfigError};

use crate::rates::Limit;

/// Everything that the gateway does is decided by this value.
#[derive(Debug)]
pub struct Config {
    /// Development or production, from `APP_ENV`.
    pub mode: Mode,
    /// Form and filter of the logs, from `LOG_FORMAT` and `LOG`.
    pub logs: LogSettings,
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Where the operator asks: `/healthz`, `/readyz`, `/metrics`.
    pub admin_listen: SocketAddr,
    /// Where other proxies ask whether they may pass a request on; none: nowhere.
    pub verify_listen: Option<SocketAddr>,
    /// The host names that are served; empty (in development only) means any.
    pub hosts: Vec<String>,
    /// Browsers' origins that may call.
    pub cors: Cors,
    /// How access tokens are verified.
    pub tokens: Tokens,
    /// Certificates; none means plain HTTP.
    pub tls: Option<Tls>,
    /// Where spans go, if anywhere.
    pub tracing: Option<Tracing>,
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether every connection is one of these peers', and begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Time limits.
    pub timeouts: Timeouts,
    /// Limits of size and number.
    pub limits: Limits,
    /// The services behind the gateway; [`UpstreamId`] is an index into this list.
    pub upstreams: Vec<Upstream>,
    /// What is routed; no two have the same path.
    pub routes: Vec<Route>,
    /// How many tests of the routes are in the file; all of them pass.
    pub policy_tests: usize,
    /// The root of the upstreams' identity keys, from `IDENTITY_KEY`.
    pub identity_key: RootKey,
}

/// Which browsers' origins may call with credentials; empty: none.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// Exact origins, such as `https://app.example.com`, as browsers write them.
    pub origins: Vec<String>,
}

/// How access tokens are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be or contain.
    pub audience: String,
    /// Where the key set is; any one will do.
    pub jwks: Vec<Uri>,
    /// How often the key set is fetched anew.
    pub jwks_refresh: Duration,
    /// The least time between two fetches that unknown keys cause.
    pub jwks_cooldown: Duration,
    /// How long a request with an unknown key waits for such a fetch.
    pub jwks_wait: Duration,
    /// Where revocations are told, any one of several replicas; empty: nowhere, and tokens live until they expire.
    pub revocations: Vec<Uri>,
    /// What happens while it is not known what was revoked.
    pub on_stale: OnStale,
    /// The auth service: the one upstream that sees refresh cookies.
    pub upstream: Option<UpstreamId>,
}

/// What becomes of good tokens while the feed of revocations is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnStale {
    /// They are good: tokens are short.
    #[default]
    Serve,
    /// They are refused.
    Deny,
}

impl Tokens {
    /// [`Tokens::on_stale`], if there is a feed that could be behind.
    pub fn feed_policy(&self) -> Option<OnStale> {
        (!self.revocations.is_empty()).then_some(self.on_stale)
    }
}

/// TLS on the public listener.
#[derive(Debug, Clone)]
pub struct Tls {
    /// At least one; the client's server name chooses.
    pub certificates: Vec<Certificate>,
}

/// Which requests are told to a collector of traces.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// The collector, which speaks OTLP over HTTP.
    pub otlp: Server,
    /// The share of traces that are kept, from 0 to 1.
    pub sample: f64,
}

/// One certificate chain with its key, both PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, leaf first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Time limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For a whole request head, from its first byte; for a connection's first one, from the connection's beginning.
    pub head: Duration,
    /// To connect to an upstream, TLS included.
    pub connect: Duration,
    /// From the request's end to the answer's first byte.
    pub first_byte: Duration,
    /// For a body or a connection on which nothing moves.
    pub idle: Duration,
    /// Bytes a second that a body must keep up, measured after its first ten seconds.
    pub min_rate: u64,
    /// For requests in flight when the process is told to stop.
    pub drain: Duration,
}

/// Time limits of one route, as in [`Timeouts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// From the request's end to the answer's first byte.
    pub first_byte: Duration,
    /// For a body or a websocket on which nothing moves.
    pub idle: Duration,
}

/// Limits of size and number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head.
    pub head: usize,
    /// Bytes of a request body, for routes that do not say.
    pub body: u64,
    /// Requests that may be under way at once; `None` is no limit.
    pub requests: Option<usize>,
    /// Client connections that may be open at once; `None` is as many as there are descriptors for.
    pub connections: Option<usize>,
    /// Those of one address that is no trusted proxy's; `None` is no limit.
    pub connections_per_address: Option<usize>,
}

/// An index into [`Config::upstreams`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub usize);

/// A service behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name in the file, which is also the name for which requests are signed.
    pub name: String,
    /// Its replicas, at least one.
    pub servers: Vec<Server>,
    /// How they are checked; none: by their answers only.
    pub health: Option<Health>,
    /// Whom the gateway believes, and what it shows, where a server is `https`.
    pub tls: UpstreamTls,
    /// Whether HTTP/2 is spoken to its servers, and nothing else.
    pub http2: bool,
}

/// TLS to the servers of an upstream. The files are read at the start and at every reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// PEM certificates of which one must have signed the server's; none: the machine's own.
    pub ca: Option<PathBuf>,
    /// What a server gets to see that asks who is calling.
    pub client: Option<Certificate>,
}

/// How the servers of an upstream are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked for: path and query. Any 2xx is good.
    pub path: Uri,
    /// Another port than the one that requests go to, spoken to in clear.
    pub port: Option<u16>,
    /// From one check to the next.
    pub interval: Duration,
    /// For a whole check.
    pub timeout: Duration,
    /// Good checks in a row that bring a server back.
    pub healthy: u32,
    /// Bad checks in a row that take a server out.
    pub unhealthy: u32,
}

/// One replica of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// True for `https`.
    pub tls: bool,
    /// Where connections go.
    pub at: Place,
    /// What goes into `Host`: as written in the file; `localhost` for a socket.
    pub authority: Authority,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A name or an address (an IPv6 address without brackets), and a port, the scheme's own if the file names none.
    Host(String, u16),
    /// A Unix socket.
    Socket(PathBuf),
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.at {
            Place::Socket(path) => write!(f, "unix:{}", path.display()),
            Place::Host(..) => write!(f, "http{}://{}", if self.tls { "s" } else { "" }, self.authority),
        }
    }
}

/// One entry of the route table.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its index in [`Config::routes`].
    pub id: usize,
    /// Whole segments, without a slash at the end; empty for `/`.
    pub path: String,
    /// Who answers.
    pub upstream: UpstreamId,
    /// Who may call.
    pub access: Access,
    /// The methods that are routed; `None` means every method that the gateway knows.
    pub methods: Option<Vec<Method>>,
    /// The largest request body in bytes.
    pub body: u64,
    /// Whether the upstream sees `Authorization`.
    pub forward_authorization: bool,
    /// Whether a request may become a websocket.
    pub websocket: bool,
    /// How often it may be asked.
    pub rates: Rates,
    /// How many of its requests may be under way at once; `None` is no limit.
    pub concurrency: Option<usize>,
    /// Which origins may call it; `None`: those that may call all.
    pub cors: Option<Cors>,
    /// What is added to its requests and taken out of them.
    pub request_headers: Option<HeaderRules>,
    /// Likewise of its upstream's answers.
    pub response_headers: Option<HeaderRules>,
    /// Its own time limits; `None`: those of all.
    pub timeouts: Option<RouteTimeouts>,
    /// How many bytes of the path the upstream does not see: whole segments, and no more than [`Route::path`].
    pub strip: usize,
}

impl Route {
    /// The path as the upstream sees it.
    pub fn seen_path(&self) -> &str {
        self.path.get(self.strip..).unwrap_or_default()
    }

    /// The path as people write it.
    pub fn written(&self) -> &str {
        if self.path.is_empty() { "/" } else { &self.path }
    }
}

/// What happens to headers besides what the stages do; never to one that is theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderRules {
    /// Removed.
    pub remove: Vec<HeaderName>,
    /// Set, in place of whatever was there.
    pub set: Vec<(HeaderName, HeaderValue)>,
}

/// How often one caller may ask; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// For each address, an IPv6 one by its /64, before it is known who is calling.
    pub address: Option<Limit>,
    /// For each user.
    pub user: Option<Limit>,
    /// For each client (of `client_credentials`).
    pub client: Option<Limit>,
}

/// Who may call a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anyone; no token is read, so the caller is always anonymous.
    Public,
    /// Anyone; a token that is sent must be valid.
    Optional,
    /// Any user with a valid token.
    Authenticated,
    /// Users with one of these roles.
    Roles(Vec<String>),
    /// Clients (of `client_credentials`) with one of these ids, and nobody else.
    Clients(Vec<String>),
}

impl Config {
    /// Reads and checks the file. Relative certificate paths are relative to the working directory.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line where it has one.
    pub fn load(path: &Path, settings: Settings) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, settings).map_err(|error| error.in_file(path))
    }

    /// The same for a text that is at hand.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, settings: Settings) -> Result<Self, ConfigError> {
        check::config(file::File::parse(text, &settings)?, text, settings)
    }

    /// The upstream of an id. Ids come from this configuration only.
    pub fn upstream(&self, id: UpstreamId) -> &Upstream {
        &self.upstreams[id.0]
    }
}

#[cfg(test)]
pub(crate) mod tests;
