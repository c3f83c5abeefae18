//! TLS on the public listener: the certificates of the configuration, chosen by the client's server name, and
//! which hosts a connection that was opened with one may ask for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::{Certificate, Tls};

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that is missing, or holds no PEM of the right kind.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// No certificate in it.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// A key of an unknown kind, or one that belongs to another certificate.
    #[error("{} does not fit its certificate", key.display())]
    Key {
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The crypto library lacks what TLS needs.
    #[error("TLS is not available")]
    Tls(#[from] rustls::Error),
}

/// HTTP/2's name in ALPN (RFC 9113 section 3.1).
const HTTP2: &[u8] = b"h2";

/// Whether a client that may choose chose HTTP/2.
pub(super) fn is_http2(connection: &rustls::ServerConnection) -> bool {
    connection.alpn_protocol() == Some(HTTP2)
}

/// TLS as it is spoken under one configuration.
#[derive(Clone)]
pub struct Handshakes {
    acceptor: TlsAcceptor,
    certificates: Arc<ByName>,
}

impl Handshakes {
    /// Ends a client's TLS, and says what the client was shown.
    pub(super) async fn accept(&self, socket: TcpStream) -> std::io::Result<(TlsStream<TcpStream>, Shown)> {
        let stream = self.acceptor.accept(socket).await?;
        let asked = stream.get_ref().1.server_name().map(Box::from);
        let certificate = self.certificates.choose(asked.as_deref());
        Ok((stream, Shown { asked, certificate }))
    }
}

/// What a client asked for when it opened its connection, and which certificate it got.
#[derive(Debug, Clone)]
pub struct Shown {
    asked: Option<Box<str>>,
    certificate: Option<Arc<CertifiedKey>>,
}

impl Shown {
    /// Whether requests for a host may come over this connection: the one that was asked for, and any other that the
    /// certificate speaks for, since browsers then use one connection for both (RFC 9113 section 9.1.1).
    pub(super) fn is_for(&self, host: &str) -> bool {
        if self.asked.as_deref().is_some_and(|asked| asked.eq_ignore_ascii_case(host)) {
            return true;
        }
        let host = host.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host);
        name.is_ok_and(|name| self.certificate.as_ref().is_some_and(|certified| is_for(certified, &name)))
    }
}

/// Reads the certificates and prepares to serve TLS 1.2 and 1.3, for HTTP/2 and HTTP/1.1.
///
/// # Errors
/// See [`TlsError`].
pub(super) fn handshakes(tls: &Tls) -> Result<Handshakes, TlsError> {
    let certificates = tls.certificates.iter().map(certified).collect::<Result<Vec<_>, _>>()?;
    let certificates = Arc::new(ByName(certificates));
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::<ByName>::clone(&certificates));
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    // Sealed in the ticket itself, so that whichever core a client comes back to can open it. Its keys are made anew
    // every six hours, and kept for one time more.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Handshakes { acceptor: TlsAcceptor::from(Arc::new(config)), certificates })
}

fn certified(certificate: &Certificate) -> Result<Arc<CertifiedKey>, TlsError> {
    let Certificate { cert, key } = certificate;
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|source| unreadable(cert, source))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(cert.clone()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|source| unreadable(key, source))?;
    let certified = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider());
    certified.map(Arc::new).map_err(|source| TlsError::Key { key: key.clone(), source })
}

fn unreadable(path: &Path, source: rustls::pki_types::pem::Error) -> TlsError {
    TlsError::Unreadable { path: path.to_owned(), source }
}

/// The first certificate that is for the asked name; without a name, or for an unknown one, the first of all.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

impl ByName {
    fn choose(&self, asked: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let asked = asked.and_then(|name| ServerName::try_from(name).ok());
        let fits =
            |certified: &&Arc<CertifiedKey>| asked.as_ref().is_some_and(|name| is_for(certified, name));
        self.0.iter().find(fits).or(self.0.first()).cloned()
    }
}

fn is_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = certified.cert.first().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
    leaf.is_some_and(|leaf| verify_server_name(&leaf, name).is_ok())
}
