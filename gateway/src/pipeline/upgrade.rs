//! Websockets: which request may become one, and what an upstream must answer so that it does (RFC 6455 section 4).
//!
//! Owns the `Sec-WebSocket-…` headers, which pass in no other way, and the token that a browser, which cannot set
//! `Authorization` on a websocket, offers as a subprotocol. The bytes after the handshake are not looked at here.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Version};

use super::canonical::members;
use super::client::Client;
use super::cors::Cors;

/// What comes before the token in the subprotocol that carries it.
const BEARER: &str = "portcullis.bearer.";
/// The subprotocol that a browser offers beside it: a browser wants one of its offers chosen.
const OURS: &str = "portcullis";
/// RFC 6455 section 1.3.
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a request cannot become a websocket. The messages are shown to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its variant means")]
pub enum BadUpgrade {
    #[error("A websocket begins with a GET without a body.")]
    Request,
    #[error("A websocket needs one Sec-WebSocket-Key of 16 bytes.")]
    Key,
    #[error("Only version 13 of websockets is supported.")]
    Version,
    #[error("The offered websocket subprotocols are malformed.")]
    Protocols,
    #[error("More than one access token was sent.")]
    Tokens,
    #[error("This origin may not open a websocket.")]
    Origin,
}

/// A client's wish to go on as a websocket.
#[derive(Debug)]
pub struct Handshake {
    key: HeaderValue,
    protocols: Vec<String>,
    extensions: Vec<HeaderValue>,
}

impl Handshake {
    /// The handshake that a request asks for, if it asks for one. A token among the subprotocols becomes the request's
    /// `Authorization`, so that everything after this treats it as any other.
    ///
    /// # Errors
    /// See [`BadUpgrade`].
    pub fn asked(parts: &mut Parts, cors: &Cors, client: &Client) -> Result<Option<Self>, BadUpgrade> {
        if !asks_for_websocket(parts) {
            return Ok(None);
        }
        // Same-origin rules do not bind websockets, and cookies go along from any page.
        if cors.is_foreign(&parts.headers, client.https) {
            return Err(BadUpgrade::Origin);
        }
        check_request(parts)?;
        let key =
            only(&parts.headers, SEC_WEBSOCKET_KEY).filter(|key| is_key(key)).ok_or(BadUpgrade::Key)?.clone();
        let (protocols, token) = protocols(&parts.headers)?;
        if let Some(token) = token {
            present(token, &mut parts.headers)?;
        }
        let extensions = parts.headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter().cloned().collect();
        Ok(Some(Self { key, protocols, extensions }))
    }

    /// Asks the upstream. To be called when the request's other headers are those that it gets.
    pub fn write(&self, request: &mut HeaderMap) {
        switch(request);
        request.insert(SEC_WEBSOCKET_KEY, self.key.clone());
        request.insert(SEC_WEBSOCKET_VERSION, const { HeaderValue::from_static("13") });
        if let Ok(protocols) = HeaderValue::try_from(self.protocols.join(", "))
            && !protocols.is_empty()
        {
            request.insert(SEC_WEBSOCKET_PROTOCOL, protocols);
        }
        for extension in &self.extensions {
            request.append(SEC_WEBSOCKET_EXTENSIONS, extension.clone());
        }
    }

    /// Whether a 101 answers this handshake: the right key, and nothing chosen that was not offered. Any other 101
    /// might be one that only we take for a websocket.
    pub fn is_accepted_by(&self, answer: &HeaderMap) -> bool {
        let accept = only(answer, SEC_WEBSOCKET_ACCEPT);
        let upgrade =
            only(answer, UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let mut chosen = answer.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let protocol = chosen.next().is_none_or(|chosen| self.protocols.iter().any(|offer| offer == chosen));
        let name =
            |extension: &str| extension.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let offered: Vec<_> = self
            .extensions
            .iter()
            .flat_map(|line| line.to_str().unwrap_or_default().split(','))
            .map(name)
            .collect();
        upgrade
            && protocol
            && chosen.next().is_none()
            && accept.is_some_and(|accept| accept.as_bytes() == self.accept().as_bytes())
            && members(answer, SEC_WEBSOCKET_EXTENSIONS).all(|extension| offered.contains(&name(extension)))
    }

    /// Completes the 101 for the client, once everything for one hop has been taken out of it.
    pub fn complete(&self, answer: &mut HeaderMap) {
        switch(answer);
        answer.remove(CONTENT_LENGTH);
        if !answer.contains_key(SEC_WEBSOCKET_PROTOCOL) && self.protocols.iter().any(|offer| offer == OURS) {
            answer.insert(SEC_WEBSOCKET_PROTOCOL, const { HeaderValue::from_static(OURS) });
        }
    }

    /// RFC 6455 section 4.2.2, which is no use of SHA-1 that needs it to be strong.
    fn accept(&self) -> String {
        let input = [self.key.as_bytes(), ACCEPT_SUFFIX].concat();
        STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &input))
    }
}

fn switch(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, const { HeaderValue::from_static("Upgrade") });
    headers.insert(UPGRADE, const { HeaderValue::from_static("websocket") });
}

/// Whoever does not ask is answered as ever: a server may ignore `Upgrade` (RFC 9110 section 7.8).
fn asks_for_websocket(parts: &Parts) -> bool {
    let names =
        |header, word: &str| members(&parts.headers, header).any(|member| member.eq_ignore_ascii_case(word));
    parts.version == Version::HTTP_11 && names(UPGRADE, "websocket") && names(CONNECTION, "upgrade")
}

fn check_request(parts: &Parts) -> Result<(), BadUpgrade> {
    let headers = &parts.headers;
    let empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length == "0");
    if parts.method != Method::GET || !empty || headers.contains_key(TRANSFER_ENCODING) {
        return Err(BadUpgrade::Request);
    }
    match only(headers, SEC_WEBSOCKET_VERSION) {
        Some(version) if version == "13" => Ok(()),
        _ => Err(BadUpgrade::Version),
    }
}

fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16)
}

/// What the upstream is offered, and the token.
fn protocols(headers: &HeaderMap) -> Result<(Vec<String>, Option<String>), BadUpgrade> {
    let (mut offered, mut token) = (Vec::new(), None);
    for protocol in members(headers, SEC_WEBSOCKET_PROTOCOL) {
        if protocol.is_empty() || !protocol.bytes().all(is_token_byte) {
            return Err(BadUpgrade::Protocols);
        }
        match protocol.strip_prefix(BEARER) {
            None => offered.push(protocol.to_owned()),
            Some(bearer) if token.is_none() => token = Some(bearer.to_owned()),
            Some(_) => return Err(BadUpgrade::Tokens),
        }
    }
    Ok((offered, token))
}

/// RFC 9110 section 5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

fn present(token: String, headers: &mut HeaderMap) -> Result<(), BadUpgrade> {
    let value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| BadUpgrade::Protocols)?;
    if headers.insert(AUTHORIZATION, value).is_some() { Err(BadUpgrade::Tokens) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
