//! Who is calling, read from headers whose signature has been verified.

use std::net::IpAddr;

/// What `X-User-Id` begins with when the caller is a client of its own and no user.
pub const CLIENT_PREFIX: &str = "client:";
/// The role of such a client.
pub const SERVICE_ROLE: &str = "SERVICE";

/// A request whose gateway signature was verified. At most one of `user` and `client` is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user, if one is calling.
    pub user: Option<User>,
    /// The client, if one is calling on its own behalf.
    pub client: Option<Client>,
    /// The id to log this request under; empty when the gateway gave none.
    pub request_id: String,
    /// The client's address; `None` for a request that the gateway makes itself.
    pub client_address: Option<IpAddr>,
    /// `http` or `https`; empty for a request that the gateway makes itself.
    pub proto: String,
    /// The host that the client asked for; empty for a request that the gateway makes itself.
    pub host: String,
}

impl Caller {
    /// Whether nobody said who they are.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.user.is_none() && self.client.is_none()
    }
}

/// An authenticated user, never a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: String,
    /// Their e-mail address.
    pub email: String,
    /// Their role.
    pub role: String,
    /// The session in which they call.
    pub session_id: String,
}

/// A client of its own (`client_credentials`): an internal service or a script, never a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id, without [`CLIENT_PREFIX`].
    pub id: String,
}

/// Who the four identity headers speak of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Who {
    Nobody,
    User(User),
    Client(Client),
}

impl Who {
    /// Puts the four values together; all empty is an anonymous caller.
    ///
    /// A signature only proves that the gateway wrote them. Half an identity would be a bug there, and is refused
    /// rather than guessed at.
    pub(crate) fn from_parts(parts: User) -> Result<Self, InconsistentUser> {
        let User { id, email, role, session_id } = &parts;
        let nothing_else = email.is_empty() && session_id.is_empty();
        match id.strip_prefix(CLIENT_PREFIX) {
            None if id.is_empty() && role.is_empty() && nothing_else => Ok(Self::Nobody),
            None if id.is_empty() || role.is_empty() || role == SERVICE_ROLE || session_id.is_empty() => {
                Err(InconsistentUser)
            }
            None => Ok(Self::User(parts)),
            Some(client) if !client.is_empty() && role == SERVICE_ROLE && nothing_else => {
                Ok(Self::Client(Client { id: client.to_owned() }))
            }
            Some(_) => Err(InconsistentUser),
        }
    }

    pub(crate) fn split(self) -> (Option<User>, Option<Client>) {
        match self {
            Self::Nobody => (None, None),
            Self::User(user) => (Some(user), None),
            Self::Client(client) => (None, Some(client)),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InconsistentUser;

#[cfg(test)]
mod tests {
    use super::{Client, InconsistentUser, User, Who};

    fn parts([id, email, role, session_id]: [&str; 4]) -> User {
        User { id: id.into(), email: email.into(), role: role.into(), session_id: session_id.into() }
    }

    #[test]
    fn an_identity_is_whole_or_absent_and_a_client_is_no_user() {
        let check = |texts: [&str; 4], expected: Who| {
            assert_eq!(Who::from_parts(parts(texts)), Ok(expected));
        };
        check(["", "", "", ""], Who::Nobody);
        for user in [["u1", "a@b.c", "USER", "s1"], ["u1", "", "USER", "s1"], ["clients", "", "USER", "s1"]] {
            check(user, Who::User(parts(user)));
        }
        check(["client:billing", "", "SERVICE", ""], Who::Client(Client { id: "billing".to_owned() }));
    }

    #[test]
    fn half_an_identity_is_refused() {
        for texts in [
            ["", "", "ADMIN", ""],
            ["", "a@b.c", "", ""],
            ["", "", "", "s1"],
            ["", "a@b.c", "USER", "s1"],
            ["u1", "a@b.c", "", "s1"],
            ["u1", "a@b.c", "USER", ""],
            ["u1", "a@b.c", "SERVICE", "s1"],
            ["client:billing", "", "ADMIN", ""],
            ["client:billing", "", "SERVICE", "s1"],
            ["client:billing", "a@b.c", "SERVICE", ""],
            ["client:billing", "a@b.c", "USER", "s1"],
            ["client:", "", "SERVICE", ""],
        ] {
            assert_eq!(Who::from_parts(parts(texts)), Err(InconsistentUser), "{texts:?}");
        }
    }
}
