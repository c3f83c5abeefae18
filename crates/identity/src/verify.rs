//! A service's side: refuses every request that the gateway did not sign for it, and reads who is calling.

use std::borrow::Cow;
use std::io::Write as _;
use std::ops::RangeInclusive;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, Method, Uri};

use crate::caller::{Caller, User, Who};
use crate::encoding::decode;
use crate::family::{Family, family};
use crate::keys::UpstreamKey;
use crate::message::{ALG_AND_TAG, COVERED, Message};
use crate::names::{
    FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, REQUEST_ID, SESSION_ID, SIGNATURE, SIGNATURE_INPUT,
    USER_EMAIL, USER_ID, USER_ROLE,
};
use crate::signature_fields::{FieldError, gateway_member};

const SECONDS_BACK: i64 = 30;
const SECONDS_AHEAD: i64 = 5;

/// Why a request is not taken for one of the gateway's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header that only the gateway may write, under a name that it does not use.
    #[error("the header {0} belongs to the gateway, which does not send it")]
    UnexpectedHeader(String),
    /// A header of the contract is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header of the contract, or the gateway's member in it, is there more than once.
    #[error("the header {0} is there more than once")]
    Repeated(&'static str),
    /// A header of the contract is not written as the contract says.
    #[error("the header {0} is malformed")]
    Malformed(&'static str),
    /// The signature covers something else than the contract's list.
    #[error("the signature does not cover the list of the contract")]
    WrongList,
    /// The signature was made for another service.
    #[error("the signature was made for another service")]
    WrongKeyId,
    /// Another algorithm, tag or parameter.
    #[error("the signature's parameters are not those of the contract")]
    WrongParameters,
    /// Older than the contract allows.
    #[error("the signature is too old")]
    TooOld,
    /// Made later than now.
    #[error("the signature comes from the future")]
    FromTheFuture,
    /// No key of ours made it over this request.
    #[error("the signature does not match")]
    WrongSignature,
    /// The gateway signed half an identity.
    #[error("the identity is inconsistent")]
    Inconsistent,
}

impl Refusal {
    /// A stable word for logs, metrics and the vector file.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnexpectedHeader(_) => "unexpected_header",
            Self::Missing(_) => "missing",
            Self::Repeated(_) => "repeated",
            Self::Malformed(_) => "malformed",
            Self::WrongList => "wrong_list",
            Self::WrongKeyId => "wrong_keyid",
            Self::WrongParameters => "wrong_parameters",
            Self::TooOld => "too_old",
            Self::FromTheFuture => "from_the_future",
            Self::WrongSignature => "wrong_signature",
            Self::Inconsistent => "inconsistent",
        }
    }
}

/// Verifies for one service.
pub struct Verifier {
    keys: Vec<hmac::Key>,
    /// `;keyid="…"`
    key_id: String,
}

impl Verifier {
    /// A verifier for the service of this name, with its current key and then the previous ones.
    #[must_use]
    pub fn new(name: &str, keys: Vec<UpstreamKey>) -> Self {
        Self { keys: keys.iter().map(UpstreamKey::hmac).collect(), key_id: format!(";keyid=\"{name}\"") }
    }

    /// Checks a request as it arrived; `now` is the time in Unix seconds.
    ///
    /// # Errors
    /// When the gateway did not sign exactly this request for this service, just now.
    pub fn verify(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        now: i64,
    ) -> Result<Caller, Refusal> {
        refuse_unexpected(headers)?;
        let message = Message {
            method: method.as_str(),
            path: uri.path(),
            query: uri.query(),
            request_id: the_one(headers, &REQUEST_ID, "x-request-id")?,
            forwarded_for: the_one(headers, &FORWARDED_FOR, "x-forwarded-for")?,
            forwarded_proto: the_one(headers, &FORWARDED_PROTO, "x-forwarded-proto")?,
            forwarded_host: the_one(headers, &FORWARDED_HOST, "x-forwarded-host")?,
            user_id: the_one(headers, &USER_ID, "x-user-id")?,
            user_email: the_one(headers, &USER_EMAIL, "x-user-email")?,
            user_role: the_one(headers, &USER_ROLE, "x-user-role")?,
            session_id: the_one(headers, &SESSION_ID, "x-session-id")?,
        };
        let created = self.created(member(headers, &SIGNATURE_INPUT, "signature-input")?)?;
        within_window(created, now)?;
        self.check_signature(&message, created, member(headers, &SIGNATURE, "signature")?)?;
        read_caller(&message)
    }

    /// Takes the gateway's `Signature-Input` member apart. Everything but the digits of `created` is fixed.
    fn created(&self, input: &str) -> Result<i64, Refusal> {
        let parameters = input.strip_prefix(COVERED).ok_or(Refusal::WrongList)?;
        let rest = parameters.strip_prefix(";created=").ok_or(Refusal::WrongParameters)?;
        let (digits, after) = rest.split_at(rest.find(';').ok_or(Refusal::WrongParameters)?);
        let created = integer(digits).ok_or(Refusal::WrongParameters)?;
        match after.strip_suffix(ALG_AND_TAG) {
            Some(key_id) if key_id == self.key_id => Ok(created),
            Some(key_id) if is_key_id(key_id) => Err(Refusal::WrongKeyId),
            _ => Err(Refusal::WrongParameters),
        }
    }

    fn check_signature(&self, message: &Message<'_>, created: i64, member: &str) -> Result<(), Refusal> {
        let encoded = member.strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
        let tag = encoded
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .ok_or(Refusal::Malformed("signature"))?;
        let mut base = Vec::with_capacity(1024);
        message.write_base(&mut base);
        // Writing to a Vec does not fail.
        let _ = write!(base, ";created={created}{}{ALG_AND_TAG}", self.key_id);
        // hmac::verify compares in constant time.
        let matches = self.keys.iter().any(|key| hmac::verify(key, &base, &tag).is_ok());
        if matches { Ok(()) } else { Err(Refusal::WrongSignature) }
    }
}

/// A header of the identity family under any spelling but ours would look like ours to somebody downstream.
fn refuse_unexpected(headers: &HeaderMap) -> Result<(), Refusal> {
    let ours = [&USER_ID, &USER_EMAIL, &USER_ROLE, &SESSION_ID, &REQUEST_ID, &SIGNATURE, &SIGNATURE_INPUT];
    let unexpected =
        headers.keys().find(|&name| family(name.as_str()) == Some(Family::Identity) && !ours.contains(&name));
    unexpected.map_or(Ok(()), |name| Err(Refusal::UnexpectedHeader(name.to_string())))
}

fn the_one<'a>(headers: &'a HeaderMap, name: &HeaderName, called: &'static str) -> Result<&'a [u8], Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Refusal::Missing(called))?;
    if values.next().is_some() { Err(Refusal::Repeated(called)) } else { Ok(value.as_bytes()) }
}

fn member<'a>(headers: &'a HeaderMap, name: &HeaderName, called: &'static str) -> Result<&'a str, Refusal> {
    gateway_member(headers.get_all(name)).map_err(|error| match error {
        FieldError::Absent => Refusal::Missing(called),
        FieldError::Repeated => Refusal::Repeated(called),
        FieldError::Malformed => Refusal::Malformed(called),
    })
}

/// Digits as we write them, so that the base made from the number is the one that was signed.
fn integer(digits: &str) -> Option<i64> {
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if canonical { digits.parse().ok() } else { None }
}

fn is_key_id(parameter: &str) -> bool {
    let name = parameter.strip_prefix(";keyid=\"").and_then(|rest| rest.strip_suffix('"'));
    name.is_some_and(crate::names::is_upstream_name)
}

fn within_window(created: i64, now: i64) -> Result<(), Refusal> {
    const WINDOW: RangeInclusive<i64> = -SECONDS_BACK..=SECONDS_AHEAD;
    let ahead = created.saturating_sub(now);
    if WINDOW.contains(&ahead) {
        Ok(())
    } else if ahead < 0 {
        Err(Refusal::TooOld)
    } else {
        Err(Refusal::FromTheFuture)
    }
}

fn read_caller(message: &Message<'_>) -> Result<Caller, Refusal> {
    let user = User {
        id: text(message.user_id, "x-user-id")?,
        email: text(message.user_email, "x-user-email")?,
        role: text(message.user_role, "x-user-role")?,
        session_id: text(message.session_id, "x-session-id")?,
    };
    let address = text(message.forwarded_for, "x-forwarded-for")?;
    let client_address = match address.as_str() {
        "" => None,
        address => Some(address.parse().map_err(|_| Refusal::Malformed("x-forwarded-for"))?),
    };
    let (user, client) = Who::from_parts(user).map_err(|_| Refusal::Inconsistent)?.split();
    Ok(Caller {
        user,
        client,
        request_id: text(message.request_id, "x-request-id")?,
        client_address,
        proto: text(message.forwarded_proto, "x-forwarded-proto")?,
        host: text(message.forwarded_host, "x-forwarded-host")?,
    })
}

fn text(value: &[u8], called: &'static str) -> Result<String, Refusal> {
    let value = std::str::from_utf8(value).map_err(|_| Refusal::Malformed(called))?;
    decode(value).map(Cow::into_owned).map_err(|_| Refusal::Malformed(called))
}
