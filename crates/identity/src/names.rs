//! The names of the headers that the gateway writes, and what an upstream may be called.

use http::HeaderName;

/// `client:<id>` or a user's id; empty for an anonymous caller.
pub static USER_ID: HeaderName = HeaderName::from_static("x-user-id");
/// The user's e-mail; empty for an anonymous caller and for a client.
pub static USER_EMAIL: HeaderName = HeaderName::from_static("x-user-email");
/// The caller's role, `SERVICE` for a client; empty for an anonymous caller.
pub static USER_ROLE: HeaderName = HeaderName::from_static("x-user-role");
/// The session that the access token belongs to; empty for an anonymous caller and for a client.
pub static SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");
/// The id under which every process logs this request.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The client's address, one only: the gateway writes it anew.
pub static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `http` or `https`, as the client spoke.
pub static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host that the client asked for.
pub static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// RFC 9421 section 4.2.
pub static SIGNATURE: HeaderName = HeaderName::from_static("signature");
/// RFC 9421 section 4.1.
pub static SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

/// Whether an upstream may have this name: 1 to 64 of `A–Z a–z 0–9 _ -`, so that it needs no quoting as a `keyid`.
#[must_use]
pub fn is_upstream_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::is_upstream_name;

    #[test]
    fn an_upstream_name_needs_no_quoting() {
        for name in ["orders", "auth", "a", "Orders_2-eu"] {
            assert!(is_upstream_name(name), "{name}");
        }
        for name in ["", "a b", "a\"", "é", "a/b", &"a".repeat(65)] {
            assert!(!is_upstream_name(name), "{name}");
        }
    }
}
