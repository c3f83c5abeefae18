//! Who is calling, read from headers whose signature has been verified.

use std::net::IpAddr;

/// What `X-User-Id` begins with when the caller is a client of its own and no user.
pub const CLIENT_PREFIX: &str = "client:";
/// The role of such a client.
pub const SERVICE_ROLE: &str = "SERVICE";

/// A request whose gateway signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `None` when the caller is anonymous.
    pub user: Option<User>,
    /// The id to log this request under; empty when the gateway gave none.
    pub request_id: String,
    /// The client's address; `None` for a request that the gateway makes itself.
    pub client_address: Option<IpAddr>,
    /// `http` or `https`; empty for a request that the gateway makes itself.
    pub proto: String,
    /// The host that the client asked for; empty for a request that the gateway makes itself.
    pub host: String,
}

/// An authenticated user or client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id, or `client:` and the client's.
    pub id: String,
    /// Empty for a client.
    pub email: String,
    /// `SERVICE` for a client.
    pub role: String,
    /// Empty for a client.
    pub session_id: String,
}

impl User {
    /// Puts the four values together; all empty is an anonymous caller.
    ///
    /// A signature only proves that the gateway wrote them. Half an identity would be a bug there, and is refused
    /// rather than guessed at.
    pub(crate) fn from_parts(user: Self) -> Result<Option<Self>, InconsistentUser> {
        if user.id.is_empty() {
            let nothing_else = user.email.is_empty() && user.role.is_empty() && user.session_id.is_empty();
            return if nothing_else { Ok(None) } else { Err(InconsistentUser) };
        }
        let consistent = match user.id.strip_prefix(CLIENT_PREFIX) {
            Some(client) => {
                !client.is_empty()
                    && user.role == SERVICE_ROLE
                    && user.email.is_empty()
                    && user.session_id.is_empty()
            }
            None => !user.role.is_empty() && user.role != SERVICE_ROLE && !user.session_id.is_empty(),
        };
        if consistent { Ok(Some(user)) } else { Err(InconsistentUser) }
    }

    /// Whether this is a client of its own and no user.
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.id.starts_with(CLIENT_PREFIX)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InconsistentUser;

#[cfg(test)]
mod tests {
    use super::{InconsistentUser, User};

    fn check([id, email, role, session_id]: [&str; 4], accepted: bool) {
        let user =
            User { id: id.into(), email: email.into(), role: role.into(), session_id: session_id.into() };
        let expected =
            if accepted { Ok((!id.is_empty()).then(|| user.clone())) } else { Err(InconsistentUser) };
        assert_eq!(User::from_parts(user), expected);
    }

    #[test]
    fn an_identity_is_whole_or_absent() {
        check(["", "", "", ""], true);
        check(["u1", "a@b.c", "USER", "s1"], true);
        check(["u1", "", "USER", "s1"], true);
        check(["client:billing", "", "SERVICE", ""], true);

        check(["", "", "ADMIN", ""], false);
        check(["", "a@b.c", "", ""], false);
        check(["", "", "", "s1"], false);
        check(["u1", "a@b.c", "", "s1"], false);
        check(["u1", "a@b.c", "USER", ""], false);
        check(["u1", "a@b.c", "SERVICE", "s1"], false);
        check(["client:billing", "", "ADMIN", ""], false);
        check(["client:billing", "", "SERVICE", "s1"], false);
        check(["client:", "", "SERVICE", ""], false);
    }
}
