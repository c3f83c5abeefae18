//! What the auth service says about a token.

use serde::Deserialize;

/// What a token is worth. An access token and a refresh token are two things: whoever takes a refresh token for a proof of who
/// is calling lets in whoever found one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Introspection {
    /// Nothing: forged, expired, revoked, or no token at all.
    Inactive,
    /// It proves who is calling.
    AccessToken(TokenInfo),
    /// It would be good for another access token, and proves nothing.
    RefreshToken(TokenInfo),
}

/// What an active token says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TokenInfo {
    /// The user's id, or the client's.
    pub sub: String,
    /// The client that it was given to: `portcullis` for the frontend.
    #[serde(default)]
    pub client_id: String,
    /// What it is good for, separated by spaces; only a client's has any.
    #[serde(default)]
    pub scope: Option<String>,
    /// The user's e-mail address now.
    #[serde(default)]
    pub username: Option<String>,
    /// The user's role now.
    #[serde(default)]
    pub role: Option<String>,
    /// The user's session.
    #[serde(default)]
    pub sid: Option<String>,
    /// When it ends, in Unix seconds.
    #[serde(default)]
    pub exp: Option<i64>,
    /// When it was given, in Unix seconds.
    #[serde(default)]
    pub iat: Option<i64>,
    /// When the user logged in, in Unix seconds; of access tokens only.
    #[serde(default)]
    pub auth_time: Option<i64>,
    /// How the user logged in (RFC 8176): `pwd` alone, or with `mfa` and what the second factor was; of access tokens only.
    #[serde(default)]
    pub amr: Vec<String>,
}

impl TokenInfo {
    /// Whether this is a client's own token and no user's.
    #[must_use]
    pub const fn is_client(&self) -> bool {
        self.sid.is_none()
    }

    /// Whether it is good for this.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.as_deref().is_some_and(|all| all.split(' ').any(|one| one == scope))
    }
}

/// As it is sent.
#[derive(Deserialize)]
pub(crate) struct Answer {
    active: bool,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(flatten)]
    info: Option<TokenInfo>,
}

impl From<Answer> for Introspection {
    fn from(answer: Answer) -> Self {
        match (answer.active, answer.info, answer.token_type.as_deref()) {
            (true, Some(info), Some("Bearer")) => Self::AccessToken(info),
            (true, Some(info), Some("refresh_token")) => Self::RefreshToken(info),
            // Active as something that this version does not know: nothing to rely on.
            _ => Self::Inactive,
        }
    }
}
