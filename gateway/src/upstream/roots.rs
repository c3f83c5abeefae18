//! Which certificates the gateway believes when it connects: the operating system's (or `SSL_CERT_FILE`'s).

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// Why `https` cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// There is nothing to check a certificate against.
    #[error("no usable root certificates on this machine; install ca-certificates or set SSL_CERT_FILE")]
    None,
    /// The crypto library lacks what TLS needs.
    #[error("TLS is not available")]
    Tls(#[from] rustls::Error),
}

/// A client configuration on the system's root certificates, for HTTP/1.1.
///
/// # Errors
/// See [`RootsError`].
pub fn client_config() -> Result<Arc<ClientConfig>, RootsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a root certificate was skipped");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(RootsError::None);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
