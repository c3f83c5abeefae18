//! Every refusal of the gateway and what the client is told: the one place where rules become statuses and codes.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use http::header::{ALLOW, LOCATION, RETRY_AFTER, SEC_WEBSOCKET_VERSION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use problem::{Problem, codes};

use crate::pipeline::ask::BadQuestion;
use crate::pipeline::authenticate::Unauthenticated;
use crate::pipeline::authorize::Forbidden;
use crate::pipeline::canonical::{self, NotCanonical};
use crate::pipeline::cors::ForeignOrigin;
use crate::pipeline::https::Insecure;
use crate::pipeline::limit::{BodyTooLarge, TooOften};
use crate::pipeline::match_route::NoRoute;
use crate::pipeline::upgrade::BadUpgrade;
use crate::under_way::Overloaded;

/// An error with all its causes, for a log line.
pub fn chain(error: &dyn Error) -> String {
    let mut causes = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing into a String cannot fail.
        let _ = write!(causes, ": {cause}");
        next = cause.source();
    }
    causes
}

/// Why a request does not get an upstream's answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It can be read in more than one way, or in none.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// It asks about a request in a way that cannot be answered.
    #[error(transparent)]
    BadQuestion(#[from] BadQuestion),
    /// It came unencrypted.
    #[error(transparent)]
    Insecure(#[from] Insecure),
    /// A preflight from elsewhere.
    #[error(transparent)]
    ForeignOrigin(#[from] ForeignOrigin),
    /// There is nothing there, or not by this method.
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// It asks for a websocket in a way that it cannot be had.
    #[error(transparent)]
    BadUpgrade(#[from] BadUpgrade),
    /// It comes too soon.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// There is too much to do.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// It is too large.
    #[error(transparent)]
    BodyTooLarge(#[from] BodyTooLarge),
    /// Who is calling is not known.
    #[error(transparent)]
    Unauthenticated(#[from] Unauthenticated),
    /// Who is calling may not.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// No token can be verified: there is no key set.
    #[error("Access tokens cannot be verified at the moment.")]
    NoKeys,
    /// The token is good, but whether it has been revoked is not known.
    #[error("Whether access tokens have been revoked is not known at the moment.")]
    InDoubt,
    /// No server of the upstream can be reached.
    #[error("The service behind this path is not reachable at the moment.")]
    Unreachable,
    /// The upstream may have seen the request, and its connection was lost before an answer began.
    #[error(
        "The service behind this path was lost before it answered. Whether it did what was asked is not known."
    )]
    Lost,
    /// The upstream's answer was no HTTP.
    #[error("The service behind this path gave no usable answer.")]
    BadAnswer,
    /// The upstream took too long.
    #[error("The service behind this path took too long.")]
    TooSlow,
    /// The client's body broke off, or was framed wrongly.
    #[error("The request's body broke off or is malformed.")]
    BrokenBody,
    /// The client's body took too long.
    #[error("The request took too long to arrive.")]
    RequestTooSlow,
    /// The gateway itself failed.
    #[error("Something went wrong.")]
    Internal,
}

impl Rejection {
    /// The status and stable code.
    pub const fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotCanonical(refusal) => not_canonical(*refusal),
            Self::BadQuestion(BadQuestion::Stranger) => (StatusCode::FORBIDDEN, codes::FORBIDDEN),
            Self::BadQuestion(_) => (StatusCode::BAD_REQUEST, codes::BAD_REQUEST),
            Self::Insecure(Insecure::Redirect(_)) => (StatusCode::PERMANENT_REDIRECT, codes::HTTPS_REQUIRED),
            Self::Insecure(Insecure::Refused) => (StatusCode::FORBIDDEN, codes::HTTPS_REQUIRED),
            Self::ForeignOrigin(ForeignOrigin) => (StatusCode::FORBIDDEN, codes::ORIGIN_REQUIRED),
            Self::NoRoute(NoRoute::Path) => (StatusCode::NOT_FOUND, codes::NOT_FOUND),
            Self::NoRoute(NoRoute::Ambiguous) => (StatusCode::BAD_REQUEST, codes::BAD_REQUEST),
            Self::NoRoute(NoRoute::Method(_)) => (StatusCode::METHOD_NOT_ALLOWED, codes::METHOD_NOT_ALLOWED),
            Self::BadUpgrade(BadUpgrade::Origin) => (StatusCode::FORBIDDEN, codes::ORIGIN_REQUIRED),
            Self::BadUpgrade(_) => (StatusCode::BAD_REQUEST, codes::BAD_REQUEST),
            Self::TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, codes::TOO_MANY_REQUESTS),
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, codes::BODY_TOO_LARGE),
            Self::Unauthenticated(Unauthenticated::Missing) => {
                (StatusCode::UNAUTHORIZED, codes::UNAUTHENTICATED)
            }
            Self::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, codes::INVALID_TOKEN),
            Self::Forbidden(_) => (StatusCode::FORBIDDEN, codes::FORBIDDEN),
            Self::NoKeys | Self::InDoubt | Self::Unreachable | Self::Overloaded(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, codes::UNAVAILABLE)
            }
            Self::Lost => (StatusCode::SERVICE_UNAVAILABLE, codes::ANSWER_LOST),
            Self::BadAnswer => (StatusCode::BAD_GATEWAY, codes::BAD_GATEWAY),
            Self::TooSlow => (StatusCode::GATEWAY_TIMEOUT, codes::GATEWAY_TIMEOUT),
            Self::BrokenBody => (StatusCode::BAD_REQUEST, codes::BAD_REQUEST),
            Self::RequestTooSlow => (StatusCode::REQUEST_TIMEOUT, codes::REQUEST_TIMEOUT),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, codes::INTERNAL),
        }
    }

    /// The answer's content.
    pub fn problem(&self) -> Problem {
        let (status, code) = self.status();
        let problem = Problem::new(status, code, self.to_string());
        match self.header() {
            Some((name, value)) => problem.with_header(name, value),
            None => problem,
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::NotCanonical(NotCanonical::Method) => {
                Some((ALLOW, HeaderValue::from_static(canonical::ALLOW)))
            }
            // RFC 6455 section 4.4.
            Self::BadUpgrade(BadUpgrade::Version) => {
                Some((SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")))
            }
            Self::TooOften(TooOften { wait, .. }) => Some((RETRY_AFTER, whole_seconds(*wait))),
            Self::NoRoute(NoRoute::Method(allow)) => Some((ALLOW, allow.clone())),
            Self::Insecure(Insecure::Redirect(location)) => Some((LOCATION, location.clone())),
            Self::Unauthenticated(refusal) => Some((WWW_AUTHENTICATE, challenge(refusal))),
            Self::NoKeys | Self::InDoubt | Self::Unreachable | Self::Lost | Self::Overloaded(_) => {
                Some((RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => None,
        }
    }
}

/// Rounded up: who comes back after it is let through.
fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX))
}

const fn not_canonical(refusal: NotCanonical) -> (StatusCode, &'static str) {
    match refusal {
        NotCanonical::Method => (StatusCode::METHOD_NOT_ALLOWED, codes::METHOD_NOT_ALLOWED),
        NotCanonical::UnknownHost | NotCanonical::Misdirected => {
            (StatusCode::MISDIRECTED_REQUEST, codes::MISDIRECTED_REQUEST)
        }
        NotCanonical::Expectation => (StatusCode::EXPECTATION_FAILED, codes::EXPECTATION_FAILED),
        _ => (StatusCode::BAD_REQUEST, codes::BAD_REQUEST),
    }
}

/// RFC 6750 section 3.1: no error code for a request that did not even try.
fn challenge(refusal: &Unauthenticated) -> HeaderValue {
    HeaderValue::from_static(match refusal {
        Unauthenticated::Missing | Unauthenticated::Scheme => "Bearer",
        Unauthenticated::Garbled => {
            "Bearer error=\"invalid_token\", error_description=\"the header holds no Bearer token\""
        }
        Unauthenticated::Refused(access_token::Refusal::Expired) => {
            "Bearer error=\"invalid_token\", error_description=\"the token has expired\""
        }
        Unauthenticated::Revoked => {
            "Bearer error=\"invalid_token\", error_description=\"the token has been revoked\""
        }
        Unauthenticated::Refused(_) => "Bearer error=\"invalid_token\"",
    })
}

#[cfg(test)]
mod tests {
    use access_token::Refusal;

    use super::*;
    use crate::pipeline::limit::Scope;

    fn check(rejection: impl Into<Rejection>, status: u16, code: &str, header: Option<(HeaderName, &str)>) {
        let rejection = rejection.into();
        let problem = rejection.problem();
        assert_eq!((problem.status.as_u16(), problem.code), (status, code), "{rejection:?}");
        let header = header.map(|(name, value)| (name, HeaderValue::from_str(value).unwrap()));
        assert_eq!(problem.headers, header.into_iter().collect(), "{rejection:?}");
        assert!(codes::ALL.contains(&problem.code));
    }

    #[test]
    fn what_clients_are_told() {
        check(NotCanonical::DotSegment, 400, "bad_request", None);
        check(BadQuestion::Stranger, 403, "forbidden", None);
        check(BadQuestion::Incomplete, 400, "bad_request", None);
        check(NotCanonical::UnknownHost, 421, "misdirected_request", None);
        check(NotCanonical::Misdirected, 421, "misdirected_request", None);
        check(NotCanonical::Expectation, 417, "expectation_failed", None);
        check(NotCanonical::Method, 405, "method_not_allowed", Some((ALLOW, canonical::ALLOW)));
        check(NoRoute::Path, 404, "not_found", None);
        check(NoRoute::Ambiguous, 400, "bad_request", None);
        check(
            NoRoute::Method(HeaderValue::from_static("GET")),
            405,
            "method_not_allowed",
            Some((ALLOW, "GET")),
        );
        let location = HeaderValue::from_static("https://a/");
        check(Insecure::Redirect(location), 308, "https_required", Some((LOCATION, "https://a/")));
        check(Insecure::Refused, 403, "https_required", None);
        check(ForeignOrigin, 403, "origin_required", None);
        check(BadUpgrade::Origin, 403, "origin_required", None);
        check(BadUpgrade::Key, 400, "bad_request", None);
        check(BadUpgrade::Version, 400, "bad_request", Some((SEC_WEBSOCKET_VERSION, "13")));
        let wait = |millis| TooOften { scope: Scope::Address, wait: Duration::from_millis(millis) };
        check(wait(2001), 429, "too_many_requests", Some((RETRY_AFTER, "3")));
        check(wait(1), 429, "too_many_requests", Some((RETRY_AFTER, "1")));
        check(BodyTooLarge { limit: 1 }, 413, "body_too_large", None);
        check(Forbidden::Role(vec!["ADMIN".into()]), 403, "forbidden", None);
        check(Overloaded::Route, 503, "unavailable", Some((RETRY_AFTER, "1")));
        check(Rejection::NoKeys, 503, "unavailable", Some((RETRY_AFTER, "1")));
        check(Rejection::InDoubt, 503, "unavailable", Some((RETRY_AFTER, "1")));
        check(Rejection::Lost, 503, "answer_lost", Some((RETRY_AFTER, "1")));
        check(Rejection::BadAnswer, 502, "bad_gateway", None);
        check(Rejection::TooSlow, 504, "gateway_timeout", None);
    }

    #[test]
    fn a_challenge_names_an_error_only_when_a_token_was_given() {
        let challenge = |text| Some((WWW_AUTHENTICATE, text));
        check(Unauthenticated::Missing, 401, "unauthenticated", challenge("Bearer"));
        check(Unauthenticated::Scheme, 401, "invalid_token", challenge("Bearer"));
        let refused = Unauthenticated::Refused(Refusal::WrongSignature);
        check(refused, 401, "invalid_token", challenge("Bearer error=\"invalid_token\""));
        let expired = "Bearer error=\"invalid_token\", error_description=\"the token has expired\"";
        check(Unauthenticated::Refused(Refusal::Expired), 401, "invalid_token", challenge(expired));
        let revoked = "Bearer error=\"invalid_token\", error_description=\"the token has been revoked\"";
        check(Unauthenticated::Revoked, 401, "invalid_token", challenge(revoked));
    }

    #[test]
    fn the_detail_names_the_role() {
        let detail = Rejection::from(Forbidden::Role(vec!["ADMIN".into()])).problem().detail;
        assert!(detail.contains("ADMIN"), "{detail}");
    }
}
