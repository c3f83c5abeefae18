//! One connection, over TLS when the URL says so. (`AsyncPgConnection::establish` speaks no TLS.)

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use diesel::ConnectionError;
use diesel_async::AsyncPgConnection;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use secret::Secret;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::pipelines::{Driver, Pipeline};
use crate::url::{Roots, Url};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(800);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// A server that acknowledges nothing for so long is gone.
const GONE: Duration = Duration::from_secs(30);
/// The server gives a statement up a little after the client has.
const STATEMENT_TIMEOUT: &str = "-c statement_timeout=1500";
/// What is shared runs statements that go by keys: one plan is as good as another, and the one that is kept costs nothing.
/// Left to itself the server compares estimates, and may plan a statement anew each time that costs less than its planning.
const KEEP_PLANS: &str = "-c plan_cache_mode=force_generic_plan";

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The roots cannot be read.
    #[error("no certificate authorities from {0}: {1}")]
    Roots(String, String),
    /// The server cannot be reached, or refused.
    #[error("cannot connect to the database")]
    Server(#[source] tokio_postgres::Error),
    /// The first statements on the connection failed.
    #[error("cannot set the connection up")]
    Setup(#[source] ConnectionError),
    /// The pool's own settings are wrong.
    #[error("cannot make the pool: {0}")]
    Pool(String),
}

impl ConnectError {
    pub(crate) fn into_diesel(self) -> ConnectionError {
        let text = match std::error::Error::source(&self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        };
        ConnectionError::BadConnection(text)
    }

    pub(crate) fn pool(error: impl std::fmt::Display) -> Self {
        Self::Pool(error.to_string())
    }
}

/// All that is needed to connect, read once.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Arc<Secret<Config>>,
    pipeline: Arc<Secret<Config>>,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    pub(crate) fn new(url: &Url) -> Result<Self, ConnectError> {
        let config = with_options(url, &[STATEMENT_TIMEOUT]);
        let pipeline = with_options(url, &[STATEMENT_TIMEOUT, KEEP_PLANS]);
        let tls = match &url.roots {
            Roots::None => None,
            Roots::System => Some(tls(system_roots()?)?),
            Roots::File(path) => Some(tls(file_roots(path)?)?),
        };
        Ok(Self { config: Arc::new(config), pipeline: Arc::new(pipeline), tls })
    }

    pub(crate) async fn connect(&self) -> Result<AsyncPgConnection, ConnectError> {
        let config = self.config.expose();
        match &self.tls {
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(ConnectError::Server)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await.map_err(ConnectError::Server)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await
            }
        }
        .map_err(ConnectError::Setup)
    }

    /// A connection to be shared: that it has ended must show without asking it, which needs it for oneself.
    pub(crate) async fn pipeline(&self) -> Result<Pipeline, ConnectError> {
        let config = self.pipeline.expose();
        let (client, driver) = match &self.tls {
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(ConnectError::Server)?;
                (client, Driver::start(connection))
            }
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await.map_err(ConnectError::Server)?;
                (client, Driver::start(connection))
            }
        };
        let connection = AsyncPgConnection::try_from(client).await.map_err(ConnectError::Setup)?;
        Ok(Pipeline::new(connection, driver))
    }
}

/// Opens one connection outside any pool, for commands and migrations.
///
/// # Errors
/// [`ConnectError`], with the server's words in its chain.
pub async fn connect(url: &Url) -> Result<AsyncPgConnection, ConnectError> {
    Connector::new(url)?.connect().await
}

fn with_options(url: &Url, ours: &[&str]) -> Secret<Config> {
    let mut config = url.config.expose().clone();
    config.connect_timeout(CONNECT_TIMEOUT);
    // A connection that only listens would not know for hours that its server is gone.
    config.keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL);
    config.keepalives_retries(KEEPALIVE_RETRIES).tcp_user_timeout(GONE);
    // What the URL asks for comes last and wins.
    let options = [ours, config.get_options().as_slice()].concat().join(" ");
    config.options(options);
    Secret::new(config)
}

fn tls(roots: RootCertStore) -> Result<MakeRustlsConnect, ConnectError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectError::Roots("TLS".to_owned(), error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn system_roots() -> Result<RootCertStore, ConnectError> {
    let found = rustls_native_certs::load_native_certs();
    store("the operating system", found.certs.into_iter())
}

fn file_roots(path: &PathBuf) -> Result<RootCertStore, ConnectError> {
    let place = path.display().to_string();
    let wrong = |error: rustls::pki_types::pem::Error| ConnectError::Roots(place.clone(), error.to_string());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    store(&place, found.into_iter())
}

fn store(
    place: &str,
    certificates: impl Iterator<Item = CertificateDer<'static>>,
) -> Result<RootCertStore, ConnectError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(ConnectError::Roots(place.to_owned(), "it holds no certificate".to_owned()));
    }
    Ok(roots)
}
