//! TLS on the public listener: the certificates of the configuration, chosen by the client's server name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

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

/// Reads the certificates and prepares to serve TLS 1.2 and 1.3, for HTTP/2 and HTTP/1.1.
///
/// # Errors
/// See [`TlsError`].
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor, TlsError> {
    let certified = tls.certificates.iter().map(certified).collect::<Result<Vec<_>, _>>()?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName(certified)));
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
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
        let asked = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fits =
            |certified: &&Arc<CertifiedKey>| asked.as_ref().is_some_and(|name| is_for(certified, name));
        self.0.iter().find(fits).or(self.0.first()).cloned()
    }
}

fn is_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = certified.cert.first().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
    leaf.is_some_and(|leaf| verify_server_name(&leaf, name).is_ok())
}
