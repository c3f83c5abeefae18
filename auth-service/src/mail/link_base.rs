//! Where the frontend is, and the links into it.

use secret::Secret;
use url::Url;

use super::token::{MailToken, Purpose};

/// The frontend's address (`MAIL_LINK_BASE`), without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkBase(String);

/// Why a text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLinkBase {
    /// Not `https://host/…`, or more than that.
    #[error("must be the frontend's address, like https://app.example.com, without a query or fragment")]
    NotAnAddress,
    /// Links with tokens are not for everybody on the way.
    #[error("must be https:// in production")]
    Plain,
}

impl LinkBase {
    /// Checks an address; `plain` allows `http://`.
    pub fn parse(text: &str, plain: bool) -> Result<Self, InvalidLinkBase> {
        let url = Url::parse(text).map_err(|_| InvalidLinkBase::NotAnAddress)?;
        let is_bare = url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        match url.scheme() {
            _ if !is_bare || url.host_str().is_none_or(str::is_empty) => Err(InvalidLinkBase::NotAnAddress),
            "https" => Ok(Self(url.as_str().trim_end_matches('/').to_owned())),
            "http" if plain => Ok(Self(url.as_str().trim_end_matches('/').to_owned())),
            "http" => Err(InvalidLinkBase::Plain),
            _ => Err(InvalidLinkBase::NotAnAddress),
        }
    }

    /// The page that posts the token. It stands in the fragment, which browsers send to no server.
    #[must_use]
    pub fn with_token(&self, purpose: Purpose, token: &str) -> String {
        let page = match purpose {
            Purpose::VerifyEmail => "verify-email",
            Purpose::ResetPassword => "reset-password",
        };
        format!("{}/{page}#token={token}", self.0)
    }

    /// The link that an operator hands on.
    #[must_use]
    pub fn reset_link(&self, token: &MailToken) -> Secret<String> {
        Secret::new(self.with_token(Purpose::ResetPassword, token.expose()))
    }

    /// Where a new password is asked for.
    #[must_use]
    pub fn forgot_password(&self) -> String {
        format!("{}/forgot-password", self.0)
    }

    /// The host, for people to recognise.
    #[must_use]
    pub fn host(&self) -> String {
        let host = Url::parse(&self.0).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_into_the_frontend_and_hide_the_token_from_servers() {
        for text in ["https://app.example.com/shop/", "https://app.example.com/shop"] {
            let base = LinkBase::parse(text, false).unwrap();
            let link = base.with_token(Purpose::VerifyEmail, "abc");
            assert_eq!(link, "https://app.example.com/shop/verify-email#token=abc");
            assert_eq!(base.forgot_password(), "https://app.example.com/shop/forgot-password");
            assert_eq!(base.host(), "app.example.com");
        }
    }

    #[test]
    fn what_is_no_address_of_a_frontend_is_refused() {
        assert!(LinkBase::parse("http://localhost:3000", true).is_ok());
        assert_eq!(LinkBase::parse("http://app.example", false), Err(InvalidLinkBase::Plain));
        for wrong in [
            "app.example.com",
            "https://",
            "javascript:alert(1)",
            "ftp://app.example",
            "https://app.example/?next=",
            "https://app.example/#x",
            "https://ann:secret@app.example",
        ] {
            assert_eq!(LinkBase::parse(wrong, true), Err(InvalidLinkBase::NotAnAddress), "{wrong}");
        }
    }
}
