//! Who is calling, as a verified token said it, in the form in which it is needed on every request.
//!
//! This is what the cache of verified tokens stores: facts, never a decision.

use access_token::Claims;
use bytes::Bytes;
use http::HeaderValue;

/// A caller. The header values share one allocation, so that a cached token stays small and a copy costs a count.
#[derive(Debug, Clone)]
pub struct Principal {
    user_id: HeaderValue,
    email: HeaderValue,
    role: HeaderValue,
    session_id: HeaderValue,
    kind: Kind,
    expires_at: i64,
    epoch: u32,
}

/// What sort of caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nobody said who they are.
    Anonymous,
    /// A user with a session.
    User,
    /// A client with its own token (`client_credentials`).
    Client,
}

impl Principal {
    /// The caller without a token: every identity header is empty.
    pub const fn anonymous() -> Self {
        const EMPTY: HeaderValue = HeaderValue::from_static("");
        Self {
            user_id: EMPTY,
            email: EMPTY,
            role: EMPTY,
            session_id: EMPTY,
            kind: Kind::Anonymous,
            expires_at: i64::MAX,
            epoch: 0,
        }
    }

    /// The caller of a verified token.
    pub fn new(claims: &Claims) -> Self {
        match &claims.sid {
            Some(session) => {
                let (email, role) = (claims.email.as_deref(), claims.role.as_deref());
                let texts = [&claims.sub, email.unwrap_or_default(), role.unwrap_or_default(), session];
                Self::from_texts(Kind::User, texts, claims.exp, claims.epoch)
            }
            None => Self::of_client(&claims.client_id, claims.exp, claims.epoch),
        }
    }

    /// A user of this role whom no token names, to ask what would happen to one.
    pub fn imagined_user(role: &str) -> Self {
        Self::from_texts(Kind::User, ["somebody", "", role, "somewhere"], i64::MAX, 0)
    }

    /// A client whom no token names, likewise.
    pub fn imagined_client(id: &str) -> Self {
        Self::of_client(id, i64::MAX, 0)
    }

    fn of_client(id: &str, expires_at: i64, epoch: u32) -> Self {
        let id = format!("{}{id}", identity::CLIENT_PREFIX);
        Self::from_texts(Kind::Client, [&id, "", identity::SERVICE_ROLE, ""], expires_at, epoch)
    }

    fn from_texts(kind: Kind, texts: [&str; 4], expires_at: i64, epoch: u32) -> Self {
        let [user_id, email, role, session_id] = header_values(texts);
        Self { user_id, email, role, session_id, kind, expires_at, epoch }
    }

    /// What sort of caller.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// When the token expires, in Unix seconds; asked on every use.
    pub const fn is_expired(&self, now: i64) -> bool {
        self.expires_at <= now
    }

    /// The expiry itself, in Unix seconds.
    pub const fn expires_at(&self) -> i64 {
        self.expires_at
    }

    /// The epoch that the token carries.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// `X-User-Id`.
    pub const fn user_id(&self) -> &HeaderValue {
        &self.user_id
    }

    /// `X-User-Email`.
    pub const fn email(&self) -> &HeaderValue {
        &self.email
    }

    /// `X-User-Role`.
    pub const fn role(&self) -> &HeaderValue {
        &self.role
    }

    /// `X-Session-Id`.
    pub const fn session_id(&self) -> &HeaderValue {
        &self.session_id
    }

    /// Whether this is a user with the role.
    pub fn has_role(&self, role: &str) -> bool {
        self.kind == Kind::User && self.role.as_bytes() == identity::encode(role).as_bytes()
    }

    /// Whether this is the client.
    pub fn is_client(&self, id: &str) -> bool {
        let own = self.user_id.as_bytes().strip_prefix(identity::CLIENT_PREFIX.as_bytes());
        self.kind == Kind::Client && own == Some(identity::encode(id).as_bytes())
    }
}

/// Encoded as the identity contract asks, one behind the other in one buffer.
fn header_values(texts: [&str; 4]) -> [HeaderValue; 4] {
    let encoded = texts.map(identity::encode);
    let shared = Bytes::from(encoded.concat());
    let mut start = 0;
    encoded.map(|text| {
        let end = start + text.len();
        let value = shared.slice(start..end);
        start = end;
        // `encode` leaves nothing that a header may not hold.
        HeaderValue::from_maybe_shared(value).unwrap_or(const { HeaderValue::from_static("") })
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A user's principal, for the tests of the other stages.
    pub(crate) fn user(email: &str, role: &str) -> Principal {
        Principal::new(&claims(Some("s-1"), "u-1", Some(email), Some(role)))
    }

    /// A client's principal, likewise.
    pub(crate) fn client(id: &str) -> Principal {
        Principal::new(&claims(None, id, None, None))
    }

    fn claims(sid: Option<&str>, sub: &str, email: Option<&str>, role: Option<&str>) -> Claims {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Claims {
            iss: "issuer".into(),
            aud: access_token::Audience::One("audience".into()),
            sub: sub.into(),
            client_id: if sid.is_some() { "portcullis".into() } else { sub.into() },
            sid: owned(sid),
            epoch: 3,
            jti: "j-1".into(),
            iat: 100,
            exp: 200,
            nbf: None,
            email: owned(email),
            role: owned(role),
            auth_time: None,
            amr: Vec::new(),
            scope: None,
        }
    }

    fn check(principal: &Principal, expected: [&str; 4]) {
        let values = [principal.user_id(), principal.email(), principal.role(), principal.session_id()];
        assert_eq!(values.map(|value| value.to_str().unwrap()), expected);
    }

    #[test]
    fn headers_as_the_contract_has_them() {
        check(&Principal::anonymous(), ["", "", "", ""]);
        check(&user("ann@example.com", "USER"), ["u-1", "ann@example.com", "USER", "s-1"]);
        check(&user("änn 50%@example.com", ""), ["u-1", "%C3%A4nn%2050%25@example.com", "", "s-1"]);
        check(&user("a\r\nX-User-Role: ADMIN", ""), ["u-1", "a%0D%0AX-User-Role:%20ADMIN", "", "s-1"]);
        check(&client("reports"), ["client:reports", "", "SERVICE", ""]);
    }

    #[test]
    fn a_token_is_expired_at_its_second() {
        let user = user("a@example.com", "USER");
        assert_eq!([199, 200, 201].map(|now| user.is_expired(now)), [false, true, true]);
        assert!(!Principal::anonymous().is_expired(i64::MAX - 1));
        assert_eq!(user.epoch(), 3);
    }

    #[test]
    fn roles_and_clients_are_told_apart() {
        assert!(user("a@example.com", "Ö 1").has_role("Ö 1"));
        assert!(!client("reports").has_role("SERVICE"));
        let posing = Principal::new(&claims(Some("s"), "client:reports", None, None));
        assert!(!posing.is_client("reports"));
    }
}
