//! Forms, `application/x-www-form-urlencoded`, read to the letter: what two readers could understand in two ways is refused.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use tokio::time::timeout;

use super::error::OAuthError;

/// How long a body may take to arrive; half of what the whole request may.
const BODY_DEADLINE: Duration = Duration::from_secs(http_api::DEADLINE.as_secs() / 2);
/// More than any of these endpoints reads, with what some clients send beside.
const MOST_FIELDS: usize = 32;

/// Why a request is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAForm {
    /// Parameters in the URL end up in logs (RFC 6749, section 2.3.1).
    #[error("parameters belong into the body, not into the URL")]
    Query,
    /// Another content type, or several.
    #[error("the body must be sent as Content-Type: application/x-www-form-urlencoded")]
    ContentType,
    /// More than the service reads.
    #[error("the body is too large")]
    TooLarge,
    /// It did not come to its end in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// It did not come to its end at all.
    #[error("the body could not be read to its end")]
    Unreadable,
    /// Not what the content type says.
    #[error("the body is no well-formed form")]
    Malformed,
    /// RFC 6749, section 3.2: each parameter at most once.
    #[error("a parameter was sent more than once")]
    Repeated,
}

/// The parameters of a request.
#[derive(Debug)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// A parameter. One without a value is as good as none (RFC 6749, section 3.2).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(super) fn require(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::Missing(name))
    }

    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, NotAForm> {
        let text = std::str::from_utf8(body).map_err(|_| NotAForm::Malformed)?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for field in text.split('&').filter(|field| !field.is_empty()) {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            let (name, value) = decode(name).zip(decode(value)).ok_or(NotAForm::Malformed)?;
            if fields.iter().any(|(own, _)| *own == name) {
                return Err(NotAForm::Repeated);
            }
            // Each is held against all before it, and nobody has said yet who they are.
            if fields.len() == MOST_FIELDS {
                return Err(NotAForm::Malformed);
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthError> {
        if request.uri().query().is_some() {
            return Err(NotAForm::Query.into());
        }
        if !is_form(request.headers()) {
            return Err(NotAForm::ContentType.into());
        }
        let body = timeout(BODY_DEADLINE, Bytes::from_request(request, state)).await;
        let body = body.map_err(|_| NotAForm::TooSlow)?.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => NotAForm::TooLarge,
            _ => NotAForm::Unreadable,
        })?;
        Ok(Self::parse(&body)?)
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// Undoes the encoding of one name or value. `None` for broken escapes, for what is no UTF-8, for NUL, and for bytes that
/// the encoding never writes.
pub(super) fn decode(text: &str) -> Option<String> {
    let (mut decoded, mut bytes) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            b'!'..=b'~' => byte,
            _ => return None,
        });
    }
    String::from_utf8(decoded).ok().filter(|text| !text.contains('\0'))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_empty_ones_are_none() {
        let form =
            Form::parse(b"grant_type=client_credentials&scope=a+b%20c&x=&flag&&y=1=2&%7a=%C3%A4").unwrap();
        let check = |name: &str, expected: Option<&str>| assert_eq!(form.get(name), expected, "{name}");
        check("grant_type", Some("client_credentials"));
        check("scope", Some("a b c"));
        check("x", None);
        check("flag", None);
        check("y", Some("1=2"));
        check("z", Some("ä"));
        check("nothing", None);
        assert!(Form::parse(b"").unwrap().0.is_empty());
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let check = |body: &[u8], expected| {
            let text = String::from_utf8_lossy(body);
            assert_eq!(Form::parse(body).unwrap_err(), expected, "{text}");
        };
        for repeated in ["a=1&a=1", "a=1&a=2", "a=1&%61=2", "a&a=", "scope=a&b=1&scope=b"] {
            check(repeated.as_bytes(), NotAForm::Repeated);
        }
        for malformed in
            ["a=%", "a=%1", "a=%zz", "a=%+1", "a=%00", "a=%ff", "a=%C3", "a b=1", "a=\n", "a=ä", "\0"]
        {
            check(malformed.as_bytes(), NotAForm::Malformed);
        }
        check(b"a=\xff", NotAForm::Malformed);
        let fields =
            |count: usize| (0..count).map(|number| format!("f{number}=")).collect::<Vec<_>>().join("&");
        assert!(Form::parse(fields(MOST_FIELDS).as_bytes()).is_ok());
        check(fields(MOST_FIELDS + 1).as_bytes(), NotAForm::Malformed);
    }
}
