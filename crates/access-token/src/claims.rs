//! The claims of an access token, as the auth service writes them.

use serde::Deserialize;

use crate::client_id::is_client_id;
use crate::unique;

/// What a verified token says. A user's token has a session (`sid`); a client's has none, nor a role, and its
/// subject is the client itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// Whom the token is for: one or several.
    pub aud: Audience,
    /// The user's id, or the client's.
    pub sub: String,
    /// The client that asked for the token; `portcullis` for the first-party frontend.
    pub client_id: String,
    /// The session; absent in a client's token.
    #[serde(default, deserialize_with = "required_if_present")]
    pub sid: Option<String>,
    /// The epoch of the user or client when the session or token began.
    pub epoch: u32,
    /// The token's own id.
    pub jti: String,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// From when on it is expired, in Unix seconds.
    pub exp: i64,
    /// Before when it is not valid, in Unix seconds.
    #[serde(default, deserialize_with = "required_if_present")]
    pub nbf: Option<i64>,
    /// The user's e-mail.
    #[serde(default)]
    pub email: Option<String>,
    /// The user's role.
    #[serde(default)]
    pub role: Option<String>,
    /// When the user last proved who they are, in Unix seconds.
    #[serde(default, deserialize_with = "required_if_present")]
    pub auth_time: Option<i64>,
    /// How they proved it (RFC 8176).
    #[serde(default)]
    pub amr: Vec<String>,
    /// What a client may do, separated by spaces.
    #[serde(default)]
    pub scope: Option<String>,
}

/// `aud`: a string, or a list of strings (RFC 7519 section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// Whether the token is for `audience`.
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }
}

impl Claims {
    /// Whether the token belongs to a client rather than to a user.
    pub const fn is_client(&self) -> bool {
        self.sid.is_none()
    }

    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        unique::parse::<Self>(json).filter(Self::is_whole)
    }

    /// No empty name, and either wholly a user's token or wholly a client's.
    fn is_whole(&self) -> bool {
        let named = [&self.sub, &self.client_id, &self.jti].into_iter().all(|name| !name.is_empty());
        named
            && match &self.sid {
                Some(sid) => !sid.is_empty(),
                None => self.sub == self.client_id && self.role.is_none() && is_client_id(&self.sub),
            }
    }
}

/// Absent is fine, `null` is not.
fn required_if_present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
