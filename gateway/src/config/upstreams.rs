//! Upstreams and other addresses that the gateway calls, and the rule that what leaves the machine is encrypted.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::Uri;
use http::uri::Authority;
use process::Mode;
use rustls::pki_types::ServerName;
use toml::Spanned;

use super::check::{Complaints, some_time};
use super::file;
use super::values::OneOrMany;
use super::{Certificate, Health, Place, Server, Upstream, UpstreamId, UpstreamTls};

/// The upstreams in the order of their names, and their ids by name.
pub(super) fn upstreams(
    written: BTreeMap<Spanned<String>, file::Upstream>,
    mode: Mode,
    wrong: &mut Complaints<'_>,
) -> (Vec<Upstream>, BTreeMap<String, UpstreamId>) {
    let (mut list, mut names) = (Vec::new(), BTreeMap::new());
    for (name, upstream) in written {
        if !identity::names::is_upstream_name(name.get_ref()) {
            let allowed = "an upstream's name is 1 to 64 of A-Z a-z 0-9 _ -";
            wrong.at(&name.span(), format_args!("{:?}: {allowed}", name.get_ref()));
        }
        if upstream.servers.get_ref().is_empty() {
            wrong.at(&upstream.servers.span(), format_args!("upstream {:?} has no servers", name.get_ref()));
        }
        let servers = upstream.servers.get_ref().iter();
        let servers: Vec<_> =
            servers.filter_map(|text| server(text, upstream.plaintext, mode, wrong)).collect();
        let tls = tls(&upstream, servers.iter().any(|server| server.tls), wrong);
        once_each(upstream.servers.get_ref(), wrong);
        let health = upstream.health.and_then(|written| health(&written, wrong));
        let name = name.into_inner();
        names.insert(name.clone(), UpstreamId(list.len()));
        list.push(Upstream { name, servers, health, tls, http2: upstream.http2 });
    }
    (list, names)
}

/// A server that is there twice would get twice its share.
fn once_each(servers: &[Spanned<String>], wrong: &mut Complaints<'_>) {
    for (index, server) in servers.iter().enumerate() {
        if servers.iter().take(index).any(|before| before.get_ref().eq_ignore_ascii_case(server.get_ref())) {
            wrong.at(&server.span(), format_args!("{:?} is there twice", server.get_ref()));
        }
    }
}

fn tls(written: &file::Upstream, has_https: bool, wrong: &mut Complaints<'_>) -> UpstreamTls {
    let keys =
        [("ca", &written.ca), ("client_cert", &written.client_cert), ("client_key", &written.client_key)];
    let mut given = keys.into_iter().filter_map(|(key, value)| value.as_ref().map(|value| (key, value)));
    if let Some((key, value)) = given.find(|_| !has_https) {
        wrong.at(&value.span(), format_args!("`{key}` says nothing without an https:// server"));
    }
    let client = match (&written.client_cert, &written.client_key) {
        (Some(cert), Some(key)) => {
            Some(Certificate { cert: cert.get_ref().into(), key: key.get_ref().into() })
        }
        (Some(alone), None) | (None, Some(alone)) => {
            wrong.at(&alone.span(), "`client_cert` and `client_key` need each other");
            None
        }
        (None, None) => None,
    };
    UpstreamTls { ca: written.ca.as_ref().map(|ca| ca.get_ref().into()), client }
}

fn health(written: &file::Health, wrong: &mut Complaints<'_>) -> Option<Health> {
    for (key, number) in [("healthy", &written.healthy), ("unhealthy", &written.unhealthy)] {
        if *number.get_ref() == 0 {
            wrong.at(&number.span(), format_args!("`{key}` may not be zero"));
        }
    }
    if let Some(port) = written.port.as_ref().filter(|port| *port.get_ref() == 0) {
        wrong.at(&port.span(), "`port` may not be zero");
    }
    let text = written.path.get_ref();
    let path = text.parse::<Uri>().ok().filter(|uri| text.starts_with('/') && uri.authority().is_none());
    if path.is_none() {
        wrong.at(&written.path.span(), format_args!("{text:?} is no path; write it like \"/readyz\""));
    }
    Some(Health {
        path: path?,
        port: written.port.as_ref().map(|port| *port.get_ref()),
        interval: some_time("interval", &written.interval, wrong),
        timeout: some_time("timeout", &written.timeout, wrong),
        healthy: *written.healthy.get_ref(),
        unhealthy: *written.unhealthy.get_ref(),
    })
}

/// The upstream that a value names.
pub(super) fn named(
    name: &Spanned<String>,
    names: &BTreeMap<String, UpstreamId>,
    wrong: &mut Complaints<'_>,
) -> Option<UpstreamId> {
    let id = names.get(name.get_ref()).copied();
    if id.is_none() {
        let known = names.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        wrong.at(&name.span(), format_args!("there is no upstream {:?}; there are: {known}", name.get_ref()));
    }
    id
}

/// Where something is fetched from: one or more URLs.
pub(super) fn addresses(
    key: &str,
    texts: &OneOrMany,
    plaintext: bool,
    mode: Mode,
    wrong: &mut Complaints<'_>,
) -> Vec<Uri> {
    if texts.0.is_empty() {
        wrong.general(format_args!("`{key}` is an empty list"));
    }
    texts.0.iter().filter_map(|text| url(text, plaintext, mode, wrong)).collect()
}

/// A server: scheme, host and port.
pub(super) fn server(
    text: &Spanned<String>,
    plaintext: bool,
    mode: Mode,
    wrong: &mut Complaints<'_>,
) -> Option<Server> {
    if let Some(path) = text.get_ref().strip_prefix("unix:") {
        if !path.starts_with('/') {
            wrong.at(
                &text.span(),
                format_args!("{:?}: write a socket like \"unix:/run/orders.sock\"", text.get_ref()),
            );
            return None;
        }
        let authority = Authority::from_static("localhost");
        return Some(Server { tls: false, at: Place::Socket(path.into()), authority });
    }
    let uri = url(text, plaintext, mode, wrong)?;
    if uri.path() != "/" || uri.query().is_some() || text.get_ref().ends_with('/') {
        wrong.at(
            &text.span(),
            format_args!("{:?} has a path; a server is scheme, host and port", text.get_ref()),
        );
        return None;
    }
    let authority = uri.authority()?.clone();
    let tls = uri.scheme_str() == Some("https");
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    Some(Server { tls, at: Place::Host(host, port), authority })
}

fn url(text: &Spanned<String>, plaintext: bool, mode: Mode, wrong: &mut Complaints<'_>) -> Option<Uri> {
    let Some(uri) = text.get_ref().parse::<Uri>().ok().filter(is_http_url) else {
        wrong.at(&text.span(), format_args!("{:?} is no http:// or https:// URL", text.get_ref()));
        return None;
    };
    let plain = uri.scheme_str() == Some("http");
    if !plain && !uri.host().is_some_and(is_certifiable) {
        wrong.at(&text.span(), format_args!("{:?}: no certificate could be for this host", text.get_ref()));
    }
    if plain && mode.is_production() && !plaintext && !uri.host().is_some_and(is_loopback) {
        let hint =
            "in production, use https, or say `plaintext = true` beside it if the network may be trusted";
        wrong.at(&text.span(), format_args!("{:?} leaves this machine unencrypted; {hint}", text.get_ref()));
    }
    Some(uri)
}

fn is_http_url(uri: &Uri) -> bool {
    let credentials = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let port_is_good = uri.authority().is_some_and(|authority| {
        authority.port_u16().is_some_and(|port| port != 0) || authority.as_str() == authority.host()
    });
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && port_is_good
        && !credentials
}

/// Whether TLS can be spoken to a host of this name at all.
fn is_certifiable(host: &str) -> bool {
    ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']')).is_ok()
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
