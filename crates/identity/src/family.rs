//! Which header names belong to the gateway alone, however a client spells them.
//!
//! Names are compared *folded*: many servers hand `X_User_Id`, `x.user.id` and `X-User-Id` to an application as
//! one thing, so whoever strips or refuses only the exact spelling lets the others through.

/// A set of header names that no client may send to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Who is calling, and the signature over it.
    Identity,
    /// Where the request came from, or what it claims to have been before.
    Forwarded,
}

/// The family that a header name belongs to, folded: lower case, `_` and `.` as `-`. Allocates nothing.
#[must_use]
pub fn family(name: &str) -> Option<Family> {
    let name = name.as_bytes();
    match fold(*name.first()?) {
        b'x' => x_family(name),
        b's' if is(name, "signature") || is(name, "signature-input") => Some(Family::Identity),
        b'f' if is(name, "forwarded") => Some(Family::Forwarded),
        b't' if is(name, "true-client-ip") => Some(Family::Forwarded),
        _ => None,
    }
}

fn x_family(name: &[u8]) -> Option<Family> {
    if begins(name, "x-user-") || is(name, "x-session-id") || is(name, "x-request-id") {
        return Some(Family::Identity);
    }
    let forwarded = begins(name, "x-forwarded-")
        || begins(name, "x-original-")
        || ["x-real-ip", "x-client-ip", "x-rewrite-url", "x-http-method-override", "x-method-override"]
            .iter()
            .any(|exact| is(name, exact));
    forwarded.then_some(Family::Forwarded)
}

const fn fold(byte: u8) -> u8 {
    match byte {
        b'_' | b'.' => b'-',
        other => other.to_ascii_lowercase(),
    }
}

fn is(name: &[u8], folded: &str) -> bool {
    name.len() == folded.len() && begins(name, folded)
}

fn begins(name: &[u8], folded: &str) -> bool {
    name.len() >= folded.len()
        && name.iter().zip(folded.bytes()).all(|(&byte, expected)| fold(byte) == expected)
}

#[cfg(test)]
mod tests {
    use super::{Family, family};

    #[test]
    fn every_spelling_is_recognised() {
        for name in
            ["x-user-id", "X-User-Id", "x_user_id", "X.USER.Anything", "x-user-", "X_Session.Id", "Signature"]
        {
            assert_eq!(family(name), Some(Family::Identity), "{name}");
        }
        for name in [
            "Forwarded",
            "X_Forwarded_For",
            "x-forwarded-proto",
            "X-Real-IP",
            "true.client_ip",
            "X-Original-URL",
        ] {
            assert_eq!(family(name), Some(Family::Forwarded), "{name}");
        }
    }

    #[test]
    fn a_neighbour_is_left_alone() {
        for name in [
            "",
            "x",
            "user-agent",
            "x-user",
            "x-users-id",
            "x-session-id-2",
            "signatures",
            "forwarded-by",
            "x-real-ips",
        ] {
            assert_eq!(family(name), None, "{name}");
        }
    }
}
