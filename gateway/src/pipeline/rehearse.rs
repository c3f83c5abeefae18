//! What would become of a request that nobody sends: the stages that decide, without those that count, verify or
//! forward.
//!
//! It runs the stages themselves, so it cannot disagree with them.

use http::header::{AUTHORIZATION, HOST, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Uri};

use super::client::Client;
use super::match_route::Routes;
use super::principal::Principal;
use super::strip::Behind;
use super::{authenticate, authorize, canonical, https};
use crate::config::{Config, Route};
use crate::error::Rejection;

/// A caller whom no token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imagined {
    /// A user of this role.
    User(String),
    /// A client of this id.
    Client(String),
}

/// Why there is no request to rehearse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRequest {
    /// The method is no HTTP method.
    #[error("{0:?} is no HTTP method")]
    Method(String),
    /// The URL is neither a URL nor a path.
    #[error("{0:?} is neither an http:// or https:// URL nor a path")]
    Url(String),
}

/// The request as the listener would see it: a path and a `Host`, from a client that speaks TLS unless the URL says
/// `http://`.
///
/// # Errors
/// [`NoRequest`].
pub fn request(
    method: &str,
    url: &str,
    caller: Option<&Imagined>,
    config: &Config,
) -> Result<(Client, Parts), NoRequest> {
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|_| NoRequest::Method(method.to_owned()))?;
    let wrong = || NoRequest::Url(url.to_owned());
    let uri = url.parse::<Uri>().map_err(|_| wrong())?;
    let any_host = config.hosts.first().map_or("localhost", String::as_str);
    let host = match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) => authority.as_str().to_owned(),
        (None, None) => any_host.to_owned(),
        _ => return Err(wrong()),
    };
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = Request::builder().method(method).uri(target).header(HOST, host);
    let mut parts = request.body(()).map(|request| request.into_parts().0).map_err(|_| wrong())?;
    if caller.is_some() {
        parts.headers.insert(AUTHORIZATION, const { HeaderValue::from_static("Bearer") });
    }
    let https = uri.scheme_str() != Some("http");
    Ok((Client { address: [127, 0, 0, 1].into(), https, behind_proxy: false }, parts))
}

/// The route that takes it.
///
/// # Errors
/// What refuses it before a route is found, or that there is none.
pub fn matched<'t>(
    client: &Client,
    parts: &Parts,
    config: &Config,
    routes: &'t Routes,
) -> Result<&'t Route, Rejection> {
    let path = canonical::request(parts, &config.hosts)?;
    https::require(config.mode, client, parts, path)?;
    Ok(routes.find(path, &parts.method)?)
}

/// Whether this caller, or an anonymous one, may use a route, and reach what its upstream sees; a real one's token must
/// also be good.
///
/// # Errors
/// What refuses them.
pub fn passes(
    route: &Route,
    parts: &Parts,
    caller: Option<&Imagined>,
    config: &Config,
) -> Result<(), Rejection> {
    let caller = match caller {
        Some(Imagined::User(role)) => Principal::imagined_user(role),
        Some(Imagined::Client(id)) => Principal::imagined_client(id),
        None => {
            authenticate::presented(&route.access, &HeaderMap::new())?;
            Principal::anonymous()
        }
    };
    authorize::authorize(&route.access, &caller)?;
    let behind = Behind::new(&config.routes, config.upstreams.len());
    behind.target(route, (&parts.method, &parts.uri), &caller).map(drop)
}
