//! A URL that the gateway itself asks in the background: the key set, the revocation feed.
//!
//! The connection is made anew each time; such requests are rare and must not depend on what a pool remembers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderValue};
use http::uri::Scheme;
use http::{Request, Uri};
use http_body_util::Empty;
use rustls::ClientConfig;
use rustls::pki_types::InvalidDnsNameError;

use crate::upstream::{ConnectError, Stream, Target};

/// See the module.
#[derive(Debug)]
pub struct Source {
    target: Target,
    uri: Uri,
}

impl Source {
    /// A source for a URL; `tls` is needed for `https`.
    ///
    /// # Errors
    /// The URL's host cannot be named in TLS.
    pub fn new(uri: &Uri, tls: Option<&Arc<ClientConfig>>) -> Result<Self, InvalidDnsNameError> {
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let target = match tls.filter(|_| https) {
            Some(config) => Target::tls(host, port, Arc::clone(config))?,
            None => Target::plain(host, port),
        };
        Ok(Self { target, uri: uri.clone() })
    }

    /// As written in the configuration.
    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// A connection within the limit.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Stream, ConnectError> {
        self.target.connect(limit).await
    }

    /// `GET`, with what every request needs.
    pub(super) fn request(&self, accept: &'static str) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        let target = self.uri.path_and_query().cloned();
        *request.uri_mut() = target.map(Uri::from).unwrap_or_default();
        let host = self.uri.authority().and_then(|authority| authority.as_str().parse().ok());
        host.and_then(|host| request.headers_mut().insert(HOST, host));
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        request
    }
}
