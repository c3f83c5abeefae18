//! As which client a request comes, by its own word: `client_secret_basic` or `client_secret_post` (RFC 6749, section 2.3.1).

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::OAuthError;
use super::form::{Form, decode};
use crate::clients::authenticate::NotTheClient;
use crate::clients::{ClientId, ClientSecret};

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A client's name and what is said to be its secret.
#[derive(Debug)]
pub(super) struct Credentials {
    pub(super) id: ClientId,
    pub(super) secret: ClientSecret,
}

/// Reads them, from one place only.
pub(super) fn read(headers: &HeaderMap, form: &Form) -> Result<Credentials, OAuthError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let in_form = (form.get("client_id"), form.get("client_secret"));
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => Err(OAuthError::SeveralMethods),
        (Some(_), None) if in_form.1.is_some() => Err(OAuthError::SeveralMethods),
        (Some(value), None) => {
            let (id, secret) = basic(value.as_bytes()).ok_or(NotTheClient)?;
            match in_form.0 {
                Some(other) if other != id => Err(OAuthError::SeveralClients),
                _ => credentials(&id, secret),
            }
        }
        (None, _) => match in_form {
            (Some(id), Some(secret)) => credentials(id, secret.to_owned()),
            _ => Err(NotTheClient.into()),
        },
    }
}

/// A name that no client can have is refused before anybody is asked for it: everybody knows what names look like.
fn credentials(id: &str, secret: String) -> Result<Credentials, OAuthError> {
    let id = id.parse().map_err(|_invalid| NotTheClient)?;
    Ok(Credentials { id, secret: ClientSecret::presented(secret) })
}

/// RFC 7617, with both halves encoded as in a form before they were put together.
fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = String::from_utf8(BASE64.decode(encoded.trim_ascii()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decode(id)?, decode(secret)?))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn basic_of(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text))
    }

    fn check(authorization: &[&str], body: &str, expected: Result<(&str, &str), &str>) {
        let values =
            authorization.iter().map(|value| (AUTHORIZATION, HeaderValue::try_from(*value).unwrap()));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| {
            headers.append(name, value);
        });
        let read = read(&headers, &Form::parse(body.as_bytes()).unwrap());
        let read = read.map(|Credentials { id, secret }| (id.to_string(), secret.expose().to_owned()));
        let read = read.map_err(|error| error.code());
        assert_eq!(read, expected.map(|(id, secret)| (id.into(), secret.into())), "{authorization:?} {body}");
    }

    #[test]
    fn both_methods_name_the_client_and_its_secret() {
        check(&[&basic_of("billing:s3cret")], "", Ok(("billing", "s3cret")));
        check(&[&basic_of("billing:s3cret").replace("Basic", "bAsIc")], "", Ok(("billing", "s3cret")));
        check(&[basic_of("billing:s3cret").trim_end_matches('=')], "", Ok(("billing", "s3cret")));
        check(&[&basic_of("b%69lling:a%3Ab+c%25")], "client_id=billing", Ok(("billing", "a:b c%")));
        check(&[&basic_of("billing:a:b")], "", Ok(("billing", "a:b")));
        check(&[], "client_id=billing&client_secret=s3%63ret", Ok(("billing", "s3cret")));
    }

    #[test]
    fn one_method_and_one_client_at_a_time() {
        let basic = basic_of("billing:s3cret");
        check(&[&basic], "client_id=billing&client_secret=s3cret", Err("invalid_request"));
        check(&[&basic], "client_secret=s3cret", Err("invalid_request"));
        check(&[&basic], "client_id=reports", Err("invalid_request"));
        check(&[&basic, &basic], "", Err("invalid_request"));
    }

    #[test]
    fn anything_else_is_nobody() {
        let of = |text: &str| basic_of(text);
        for value in [
            "",
            "Basic",
            "Basic ",
            "Basic ????",
            "Bearer abc",
            "Digest x",
            &of("billing"),
            &of(":s3cret"),
            &of("billing:%zz"),
            &of("bill\0ing:x"),
            &of("portcullis:x"),
            &of("Billing:x"),
            &of("client%3Abilling:x"),
        ] {
            check(&[value], "", Err("invalid_client"));
        }
        for body in [
            "",
            "client_id=billing",
            "client_secret=x",
            "client_id=&client_secret=x",
            "client_id=a+b&client_secret=x",
        ] {
            check(&[], body, Err("invalid_client"));
        }
    }
}
