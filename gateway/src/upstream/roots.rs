//! Whom the gateway believes when it connects, and what it shows: the operating system's certificates (or
//! `SSL_CERT_FILE`'s), or those that an upstream names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// Why `https` cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// There is nothing to check a certificate against.
    #[error("no usable root certificates on this machine; install ca-certificates or set SSL_CERT_FILE")]
    None,
    /// A file that is missing, or holds no PEM of the right kind.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// No certificate in it.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate that cannot be one to check others against, or a key that does not fit its certificate.
    #[error("{} cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The crypto library lacks what TLS needs.
    #[error("TLS is not available")]
    Tls(#[from] rustls::Error),
}

/// The certificates of this machine.
///
/// # Errors
/// There are none.
pub fn system_roots() -> Result<Arc<RootCertStore>, RootsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a root certificate was skipped");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() { Err(RootsError::None) } else { Ok(Arc::new(roots)) }
}

/// The certificates of a PEM file, each of which must be usable.
///
/// # Errors
/// See [`RootsError`].
pub fn roots_of(path: &Path) -> Result<Arc<RootCertStore>, RootsError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        let unusable = |source| RootsError::Unusable { path: path.to_owned(), source };
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(Arc::new(roots))
}

/// A client configuration for a protocol (its ALPN name) that believes these, and shows a certificate (chain and key, PEM files) to
/// servers that ask for one.
///
/// # Errors
/// See [`RootsError`].
pub fn client_config(
    roots: Arc<RootCertStore>,
    client: Option<(&Path, &Path)>,
    protocol: &[u8],
) -> Result<Arc<ClientConfig>, RootsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let private = PrivateKeyDer::from_pem_file(key)
                .map_err(|source| RootsError::Unreadable { path: key.to_owned(), source })?;
            let unusable = |source| RootsError::Unusable { path: key.to_owned(), source };
            builder.with_client_auth_cert(chain(cert)?, private).map_err(unusable)?
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|source| RootsError::Unreadable { path: path.to_owned(), source })?;
    if chain.is_empty() { Err(RootsError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}
