//! Stage seven: what the upstream is told about the caller. Strip what the client said, inject what is true, sign it.
//!
//! Identity headers are removed by *folded* name before any is written, so nothing of the client's can stand beside
//! or instead of ours (DESIGN rule 1 of the gateway; `docs/identity.md` is the contract).

mod cookies;

use http::header::{AUTHORIZATION, CONNECTION, HOST, SET_COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use identity::{Message, RootKey, Signer, names};

use super::client::Client;
use super::principal::Principal;

/// What identifying for one upstream needs.
pub struct Identity {
    signer: Signer,
    keeps_refresh_cookie: bool,
}

/// Who is calling, and on which request.
#[derive(Debug)]
pub struct Caller<'a> {
    /// The verified caller, or the anonymous one.
    pub principal: &'a Principal,
    /// Where the request comes from.
    pub client: &'a Client,
    /// The id under which it is logged.
    pub request_id: &'a HeaderValue,
}

impl Identity {
    /// For the upstream of this name. Only the auth service sees refresh cookies.
    pub fn new(upstream: &str, root: &RootKey, is_auth_service: bool) -> Self {
        let signer = Signer::new(upstream, &root.upstream(upstream));
        Self { signer, keeps_refresh_cookie: is_auth_service }
    }

    /// Rewrites a request's headers for the upstream. `Host` is left to the forwarder, which knows the replica;
    /// framing headers are left to hyper. Answers whether the client had tried to say who it is.
    pub fn identify(
        &self,
        parts: &mut Parts,
        forward_authorization: bool,
        caller: &Caller<'_>,
        now: i64,
    ) -> bool {
        let host = parts.headers.remove(HOST).unwrap_or(const { HeaderValue::from_static("") });
        let spoofed = self.strip(&mut parts.headers, forward_authorization);
        self.inject(parts, caller, host, now);
        spoofed
    }

    /// Takes out what may not pass, and answers whether the client had tried to say who it is. The map itself stays: hyper
    /// hands it on from request to answer to request, so none is allocated.
    fn strip(&self, headers: &mut HeaderMap, forward_authorization: bool) -> bool {
        let passes = |name: &HeaderName| match *name {
            AUTHORIZATION => forward_authorization,
            _ => passes(name.as_str()),
        };
        let doomed: Vec<HeaderName> = headers.keys().filter(|name| !passes(name)).cloned().collect();
        for name in &doomed {
            headers.remove(name);
        }
        if !self.keeps_refresh_cookie {
            cookies::drop_refresh(headers);
        }
        doomed.iter().any(|name| is_spoofed(name.as_str()))
    }

    fn inject(&self, parts: &mut Parts, caller: &Caller<'_>, forwarded_host: HeaderValue, now: i64) {
        let Caller { principal, client, request_id } = caller;
        let forwarded_for = HeaderValue::try_from(client.address.to_string());
        let forwarded_for = forwarded_for.unwrap_or(const { HeaderValue::from_static("") });
        let forwarded_proto = HeaderValue::from_static(if client.https { "https" } else { "http" });
        let signature = self.signer.sign(
            &Message {
                method: parts.method.as_str(),
                path: parts.uri.path(),
                query: parts.uri.query(),
                request_id: request_id.as_bytes(),
                forwarded_for: forwarded_for.as_bytes(),
                forwarded_proto: forwarded_proto.as_bytes(),
                forwarded_host: forwarded_host.as_bytes(),
                user_id: principal.user_id().as_bytes(),
                user_email: principal.email().as_bytes(),
                user_role: principal.role().as_bytes(),
                session_id: principal.session_id().as_bytes(),
            },
            now,
        );
        let headers = &mut parts.headers;
        headers.insert(&names::REQUEST_ID, (*request_id).clone());
        headers.insert(&names::FORWARDED_FOR, forwarded_for);
        headers.insert(&names::FORWARDED_PROTO, forwarded_proto);
        headers.insert(&names::FORWARDED_HOST, forwarded_host);
        headers.insert(&names::USER_ID, principal.user_id().clone());
        headers.insert(&names::USER_EMAIL, principal.email().clone());
        headers.insert(&names::USER_ROLE, principal.role().clone());
        headers.insert(&names::SESSION_ID, principal.session_id().clone());
        headers.insert(&names::SIGNATURE_INPUT, signature.input);
        headers.insert(&names::SIGNATURE, signature.signature);
    }

    /// Takes out of an upstream's answer what concerns one hop only, and, unless it is the auth service's, any
    /// attempt to set a refresh cookie.
    pub fn clean_answer(&self, answer: &mut HeaderMap) {
        drop_hop_by_hop(answer);
        let sets = |value: &HeaderValue| cookies::sets_refresh(value);
        if self.keeps_refresh_cookie || !answer.get_all(SET_COOKIE).iter().any(sets) {
            return;
        }
        let kept: Vec<_> = answer.get_all(SET_COOKIE).iter().filter(|value| !sets(value)).cloned().collect();
        answer.remove(SET_COOKIE);
        for value in kept {
            answer.append(SET_COOKIE, value);
        }
    }
}

/// Whether a client's header may reach an upstream, `Authorization` and `Cookie` apart.
pub(super) fn passes(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !is_for_one_hop(name)
        && !matches!(name, "host" | "content-length" | "expect")
        && name.bytes().all(is_plain)
        // Without a handshake they mean nothing, and one may hold a token.
        && !name.starts_with("sec-websocket-")
        && identity::family(name).is_none()
}

/// Whether only somebody who pretends to be the gateway sends this. Proxies do send request ids.
fn is_spoofed(name: &str) -> bool {
    identity::family(name) == Some(identity::Family::Identity) && name != names::REQUEST_ID.as_str()
}

/// RFC 9110 section 7.6.1, and what was once in its list. `Trailer` goes too: trailers do not pass.
pub(super) fn is_for_one_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Takes out of an answer's trailers what may only stand in a head (RFC 9110 section 6.5.1), or is the gateway's to say.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    let goes = |name: &HeaderName| {
        is_for_one_hop(name.as_str())
            || is_for_heads(name.as_str())
            || identity::family(name.as_str()).is_some()
    };
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| goes(name)).cloned().collect();
    for name in &doomed {
        trailers.remove(name);
    }
    super::cors::strip(trailers);
}

/// Framing, routing, what the content is, who is calling, what a browser keeps.
fn is_for_heads(name: &str) -> bool {
    name.starts_with("content-")
        || matches!(
            name,
            "host"
                | "set-cookie"
                | "authorization"
                | "www-authenticate"
                | "location"
                | "cache-control"
                | "vary"
                | "strict-transport-security"
        )
}

fn drop_hop_by_hop(answer: &mut HeaderMap) {
    let named =
        super::canonical::members(answer, CONNECTION).map(str::to_ascii_lowercase).collect::<Vec<_>>();
    let goes =
        |name: &HeaderName| is_for_one_hop(name.as_str()) || named.iter().any(|named| named == name.as_str());
    let doomed: Vec<HeaderName> = answer.keys().filter(|name| goes(name)).cloned().collect();
    for name in &doomed {
        answer.remove(name);
    }
}

#[cfg(test)]
mod tests;
