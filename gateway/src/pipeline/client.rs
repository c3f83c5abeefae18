//! Where a request comes from: the connection's word, or a trusted proxy's, and nobody else's.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use super::canonical::members;

/// The client of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address; an IPv4 address is never written as IPv6.
    pub address: IpAddr,
    /// Whether it spoke TLS: to us, or, if it spoke to a trusted proxy, to that.
    pub https: bool,
    /// Whether the connection is a trusted proxy's.
    pub behind_proxy: bool,
}

impl Client {
    /// Reads it off a connection (`peer`, `tls`) and, if the peer is one of `trusted`, off its `X-Forwarded-*`.
    pub fn of(peer: IpAddr, tls: bool, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let peer = peer.to_canonical();
        if !is_trusted(peer, trusted) {
            return Self { address: peer, https: tls, behind_proxy: false };
        }
        let https = proxied_https(headers).unwrap_or(tls);
        Self { address: rightmost_untrusted(peer, headers, trusted), https, behind_proxy: true }
    }

    /// The client's own request id: kept only from a trusted proxy, and only if it is plain.
    pub fn request_id<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let mut values = headers.get_all(&identity::names::REQUEST_ID).iter();
        let (Some(id), None, true) = (values.next(), values.next(), self.behind_proxy) else { return None };
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        ((1..=64).contains(&id.len()) && id.as_bytes().iter().all(is_plain)).then_some(id)
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// What a trusted proxy says of its client, if it says anything: its own TLS to us says nothing of that. `https` is
/// exactly one line with exactly this word. Several mean several opinions, so the lesser claim holds.
fn proxied_https(headers: &HeaderMap) -> Option<bool> {
    let mut values = headers.get_all(&identity::names::FORWARDED_PROTO).iter();
    let first = values.next()?.as_bytes().eq_ignore_ascii_case(b"https");
    Some(first && values.next().is_none())
}

/// From right to left, each address is the word of the one to its right; the first that is not a proxy of ours is the
/// client. What cannot be read ends the search at the address that said so.
fn rightmost_untrusted(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let said: Vec<&str> = members(headers, identity::names::FORWARDED_FOR.clone()).collect();
    let mut nearest = peer;
    for text in said.into_iter().rev() {
        let Some(address) = address(text) else { return nearest };
        nearest = address;
        if !is_trusted(address, trusted) {
            return nearest;
        }
    }
    nearest
}

/// An address as proxies write it: bare, bracketed, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn client(peer: &str, tls: bool, headers: &[(&'static str, &'static str)]) -> Client {
        let pair = |&(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        Client::of(peer.parse().unwrap(), tls, &headers, &trusted)
    }

    fn check_address(peer: &str, forwarded: &[&'static str], expected: &str) {
        let headers: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
        assert_eq!(
            client(peer, false, &headers).address,
            expected.parse::<IpAddr>().unwrap(),
            "{forwarded:?}"
        );
    }

    #[test]
    fn a_stranger_is_not_believed() {
        check_address("203.0.113.9", &["198.51.100.1"], "203.0.113.9");
        let stranger = client("203.0.113.9", false, &[("x-forwarded-proto", "https")]);
        assert_eq!((stranger.https, stranger.behind_proxy), (false, false));
        check_address("::ffff:203.0.113.9", &[], "203.0.113.9");
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        check_address(PROXY, &[], PROXY);
        check_address(PROXY, &["198.51.100.1"], "198.51.100.1");
        check_address(PROXY, &["1.1.1.1, 198.51.100.1"], "198.51.100.1");
        check_address(PROXY, &["198.51.100.1, 10.9.9.9"], "198.51.100.1");
        check_address(PROXY, &["1.1.1.1, 198.51.100.1", "10.9.9.9"], "198.51.100.1");
        check_address(PROXY, &["10.1.1.1, 10.2.2.2"], "10.1.1.1");
        check_address("::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1");
        check_address("fd00::1", &["[2001:db8::1]:443, [fd00::2]"], "2001:db8::1");
        check_address(PROXY, &["2001:db8::1"], "2001:db8::1");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        check_address(PROXY, &["unknown"], PROXY);
        check_address(PROXY, &["198.51.100.1, garbage, 10.9.9.9"], "10.9.9.9");
        check_address(PROXY, &[""], PROXY);
        check_address(PROXY, &["198.51.100.1,"], PROXY);
    }

    #[test]
    fn the_scheme_is_our_own_or_the_proxys() {
        assert!(client("203.0.113.9", true, &[]).https);
        assert!(client(PROXY, false, &[("x-forwarded-proto", "https")]).https);
        assert!(!client(PROXY, false, &[("x-forwarded-proto", "http")]).https);
        assert!(!client(PROXY, false, &[]).https);
        assert!(
            !client(PROXY, false, &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]).https
        );
        assert!(!client(PROXY, false, &[("x-forwarded-proto", "https, http")]).https);
        assert!(client(PROXY, true, &[]).https, "a proxy that says nothing is itself the client");
        assert!(
            !client(PROXY, true, &[("x-forwarded-proto", "http")]).https,
            "encrypted only behind the proxy"
        );
        assert!(client("203.0.113.9", true, &[("x-forwarded-proto", "http")]).https, "a stranger's word");
    }

    #[test]
    fn a_request_id_is_kept_from_a_proxy_and_if_it_is_plain() {
        let check = |peer: &str, ids: &[&'static str], expected: Option<&str>| {
            let id =
                |id: &&'static str| (HeaderName::from_static("x-request-id"), HeaderValue::from_static(id));
            let headers: HeaderMap = ids.iter().map(id).collect();
            let client = Client::of(peer.parse().unwrap(), true, &headers, &["10.0.0.0/8".parse().unwrap()]);
            assert_eq!(client.request_id(&headers).map(|id| id.to_str().unwrap()), expected, "{ids:?}");
        };
        check(PROXY, &["abc-DEF_123"], Some("abc-DEF_123"));
        check("203.0.113.9", &["abc"], None);
        check(PROXY, &[""], None);
        check(PROXY, &["a", "b"], None);
        check(PROXY, &["a b"], None);
        check(PROXY, &["a\"b"], None);
        let long = "x".repeat(65).leak() as &'static str;
        check(PROXY, &[long], None);
        check(PROXY, &[&long[1..]], Some(&long[1..]));
    }
}
