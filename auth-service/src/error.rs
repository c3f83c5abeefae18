//! Every way in which a request can fail, and the one place that decides which status and code that is.

use axum::http::header::{InvalidHeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_api::Failure;
use problem::{FieldError, Problem, codes};

use crate::accounts::administration::LastAdmin;
use crate::accounts::bootstrap::BootstrapRefusal;
use crate::accounts::email::InvalidEmail;
use crate::accounts::hash_threads::Overloaded;
use crate::accounts::login::LoginRefusal;
use crate::accounts::password::RefusedPassword;
use crate::accounts::password_change::{InvalidNewPassword, WrongPassword};
use crate::accounts::password_hash::HashingFailed;
use crate::accounts::registration::{EmailTaken, InvalidRegistration};
use crate::app::{NoMail, NotPrepared};
use crate::db::administration::NotDone;
use crate::db::users::InsertError;
use crate::http::current_session::NoSession;
use crate::http::login::BodyDeliveryRefused;
use crate::http::origin::OriginRefused;
use crate::http::path_ids::NO_SUCH_ACCOUNT;
use crate::http::presented_token::NoToken;
use crate::http::revocations::NotTheGateway;
use crate::mail::InvalidMailToken;
use crate::mail::outgoing::NotPrepared as MailNotPrepared;
use crate::revocations::feed::Full;
use crate::second_factor::authenticator::Unusable;
use crate::second_factor::enrolment::{AlreadyOn, NotConfirmed, Off, OwnFactor};
use crate::second_factor::login::{MfaRequired, SecondStepRefusal};
use crate::sessions::{Ending, Refusal};
use crate::throttle::Throttled;
use crate::tokens::access_token::NotIssued;
use crate::tokens::sealing::{NotSealed, Unopened};

/// Why a request fails.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is the rule's own error, documented there")]
pub enum Error {
    #[error(transparent)]
    Login(#[from] LoginRefusal),
    #[error(transparent)]
    MfaRequired(#[from] MfaRequired),
    #[error(transparent)]
    SecondStep(#[from] SecondStepRefusal),
    #[error(transparent)]
    NotConfirmed(#[from] NotConfirmed),
    #[error(transparent)]
    SecondFactorOn(#[from] AlreadyOn),
    #[error(transparent)]
    SecondFactorOff(#[from] Off),
    #[error(transparent)]
    OwnFactor(#[from] OwnFactor),
    #[error(transparent)]
    SecondFactorUnusable(#[from] Unusable),
    #[error(transparent)]
    NotSealed(#[from] NotSealed),
    #[error(transparent)]
    Unopened(#[from] Unopened),
    #[error(transparent)]
    InvalidEmail(#[from] InvalidEmail),
    #[error(transparent)]
    Registration(#[from] InvalidRegistration),
    #[error(transparent)]
    EmailTaken(#[from] EmailTaken),
    #[error(transparent)]
    Bootstrap(#[from] BootstrapRefusal),
    #[error(transparent)]
    Origin(#[from] OriginRefused),
    #[error(transparent)]
    BodyDelivery(#[from] BodyDeliveryRefused),
    #[error(transparent)]
    NoToken(#[from] NoToken),
    #[error(transparent)]
    Refresh(#[from] Refusal),
    #[error(transparent)]
    Theft(#[from] Ending),
    #[error(transparent)]
    NoSession(#[from] NoSession),
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error(transparent)]
    InvalidQuery(#[from] InvalidQuery),
    #[error(transparent)]
    InvalidNewPassword(#[from] InvalidNewPassword),
    #[error(transparent)]
    WrongPassword(#[from] WrongPassword),
    #[error(transparent)]
    LastAdmin(#[from] LastAdmin),
    #[error(transparent)]
    Throttled(#[from] Throttled),
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    #[error(transparent)]
    NotIssued(#[from] NotIssued),
    #[error(transparent)]
    Database(#[from] database::Error),
    #[error(transparent)]
    Hashing(#[from] HashingFailed),
    #[error(transparent)]
    NotPrepared(#[from] NotPrepared),
    #[error(transparent)]
    NoMail(#[from] NoMail),
    #[error(transparent)]
    MailNotPrepared(#[from] MailNotPrepared),
    #[error(transparent)]
    InvalidMailToken(#[from] InvalidMailToken),
    #[error(transparent)]
    NotTheGateway(#[from] NotTheGateway),
    #[error(transparent)]
    FeedFull(#[from] Full),
    #[error("a cookie could not be written")]
    Cookie(#[from] InvalidHeaderValue),
}

/// What the path names is not there, or not the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such {0}")]
pub struct NotFound(pub &'static str);

/// A query parameter is wrong; what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidQuery(pub &'static str);

impl Error {
    /// The status and the code that the client sees.
    #[must_use]
    pub const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidEmail(_) | Self::Registration(_) | Self::InvalidNewPassword(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_FIELDS)
            }
            Self::EmailTaken(_) => (StatusCode::CONFLICT, codes::EMAIL_TAKEN),
            Self::Login(LoginRefusal::InvalidCredentials) => {
                (StatusCode::UNAUTHORIZED, codes::INVALID_CREDENTIALS)
            }
            Self::Login(LoginRefusal::AccountDisabled) | Self::Refresh(Refusal::AccountDisabled) => {
                (StatusCode::FORBIDDEN, codes::ACCOUNT_DISABLED)
            }
            Self::MfaRequired(_) => (StatusCode::FORBIDDEN, codes::MFA_REQUIRED),
            Self::SecondStep(SecondStepRefusal::InvalidChallenge) => {
                (StatusCode::UNAUTHORIZED, codes::INVALID_CHALLENGE)
            }
            Self::SecondStep(SecondStepRefusal::InvalidCode) => {
                (StatusCode::UNAUTHORIZED, codes::INVALID_CODE)
            }
            Self::NotConfirmed(NotConfirmed::WrongCode) => (StatusCode::FORBIDDEN, codes::WRONG_CODE),
            Self::SecondFactorOn(_) | Self::NotConfirmed(NotConfirmed::AlreadyOn(_)) => {
                (StatusCode::CONFLICT, codes::SECOND_FACTOR_ON)
            }
            Self::SecondFactorOff(_) | Self::NotConfirmed(NotConfirmed::Off(_)) => {
                (StatusCode::CONFLICT, codes::SECOND_FACTOR_OFF)
            }
            Self::Login(LoginRefusal::EmailUnverified) => (StatusCode::FORBIDDEN, codes::EMAIL_UNVERIFIED),
            Self::Bootstrap(BootstrapRefusal::Closed) | Self::NotFound(_) => {
                (StatusCode::NOT_FOUND, codes::NOT_FOUND)
            }
            Self::WrongPassword(_) => (StatusCode::FORBIDDEN, codes::WRONG_PASSWORD),
            Self::LastAdmin(_) => (StatusCode::CONFLICT, codes::LAST_ADMIN),
            Self::Bootstrap(BootstrapRefusal::WrongToken) => {
                (StatusCode::FORBIDDEN, codes::INVALID_BOOTSTRAP_TOKEN)
            }
            Self::Origin(_) | Self::NoToken(NoToken::Origin(_)) => {
                (StatusCode::FORBIDDEN, codes::ORIGIN_REQUIRED)
            }
            Self::Throttled(_) => (StatusCode::TOO_MANY_REQUESTS, codes::TOO_MANY_ATTEMPTS),
            Self::InvalidMailToken(_) => (StatusCode::FORBIDDEN, codes::INVALID_MAIL_TOKEN),
            Self::NoMail(_) => (StatusCode::NOT_FOUND, codes::MAIL_NOT_CONFIGURED),
            Self::NotTheGateway(_) | Self::OwnFactor(_) => (StatusCode::FORBIDDEN, codes::FORBIDDEN),
            Self::BodyDelivery(_) => (StatusCode::FORBIDDEN, codes::BODY_DELIVERY_REFUSED),
            Self::NoToken(NoToken::Missing) => (StatusCode::UNAUTHORIZED, codes::MISSING_TOKEN),
            Self::NoToken(NoToken::Invalid) | Self::Refresh(Refusal::InvalidToken) => {
                (StatusCode::UNAUTHORIZED, codes::INVALID_TOKEN)
            }
            Self::InvalidQuery(_) => (StatusCode::BAD_REQUEST, codes::INVALID_QUERY),
            Self::NoToken(NoToken::Ambiguous) => (StatusCode::BAD_REQUEST, codes::AMBIGUOUS_SESSION),
            Self::Refresh(Refusal::SessionEnded) | Self::NoSession(NoSession::Ended) => {
                (StatusCode::UNAUTHORIZED, codes::SESSION_ENDED)
            }
            Self::Refresh(Refusal::SessionExpired) => (StatusCode::UNAUTHORIZED, codes::SESSION_EXPIRED),
            Self::Theft(Ending::LatePrevious) => (StatusCode::UNAUTHORIZED, codes::LATE_PREVIOUS),
            Self::Theft(Ending::StaleLineage) => (StatusCode::UNAUTHORIZED, codes::STALE_LINEAGE),
            Self::NoSession(NoSession::NotAUser) => (StatusCode::UNAUTHORIZED, codes::UNAUTHENTICATED),
            Self::Overloaded(_)
            | Self::NotPrepared(_)
            | Self::FeedFull(_)
            | Self::NotIssued(NotIssued::NoKey)
            | Self::Database(database::Error::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, codes::UNAVAILABLE)
            }
            Self::Database(database::Error::Statement(_))
            | Self::NotIssued(NotIssued::Signing(_))
            | Self::SecondFactorUnusable(_)
            | Self::NotSealed(_)
            | Self::Unopened(_)
            | Self::Hashing(_)
            | Self::MailNotPrepared(_)
            | Self::Cookie(_) => (StatusCode::INTERNAL_SERVER_ERROR, codes::INTERNAL),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.status_and_code().1
    }

    /// The answer, for an error that the client may know all about.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, code) = self.status_and_code();
        let problem = Problem::new(status, code, sentence(self)).with_errors(self.fields());
        match (status, self) {
            // RFC 9110, 15.5.2 wants a challenge in every 401; ours is always a Bearer token, however one gets it.
            (StatusCode::UNAUTHORIZED, _) => {
                problem.with_header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            (_, Self::MfaRequired(MfaRequired { challenge, expires_in, methods })) => problem
                .with_member("challenge", challenge.expose().as_str())
                .with_member("expiresIn", expires_in.as_secs())
                .with_member("methods", methods.to_vec()),
            (
                _,
                Self::Overloaded(Overloaded { retry_after }) | Self::Throttled(Throttled { retry_after, .. }),
            ) => {
                let seconds = retry_after.as_secs().saturating_add(1);
                problem.with_header(RETRY_AFTER, HeaderValue::from(seconds))
            }
            (_, _) => problem,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::InvalidEmail(error) => vec![email_error(*error)],
            Self::Registration(InvalidRegistration { email, password }) => {
                let password = password.map(|error| password_error("password", error));
                email.map(email_error).into_iter().chain(password).collect()
            }
            Self::InvalidNewPassword(InvalidNewPassword(error)) => {
                vec![password_error("newPassword", *error)]
            }
            _ => Vec::new(),
        }
    }
}

impl From<InsertError> for Error {
    fn from(error: InsertError) -> Self {
        match error {
            InsertError::EmailTaken => Self::EmailTaken(EmailTaken),
            InsertError::Database(error) => Self::Database(error),
        }
    }
}

impl From<NotDone> for Error {
    fn from(error: NotDone) -> Self {
        match error {
            NotDone::NoSuchUser => NO_SUCH_ACCOUNT.into(),
            NotDone::LastAdmin(last_admin) => last_admin.into(),
            NotDone::EmailTaken => Self::EmailTaken(EmailTaken),
            NotDone::NotAsked => NoSession::Ended.into(),
            NotDone::Database(error) => error.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, _) = error.status_and_code();
        match error {
            Error::Overloaded(_) => Failure::because(error.problem(), error),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => Self::unavailable(error),
            _ if status.is_server_error() => Self::internal(error),
            _ => error.problem().into(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Failure::from(self).into_response()
    }
}

/// The rules write their errors as they would stand after a colon; an answer begins with a capital and ends with a stop.
fn sentence(error: &Error) -> String {
    let text = match error {
        Error::InvalidEmail(_) | Error::Registration(_) | Error::InvalidNewPassword(_) => {
            "some fields are not acceptable".to_owned()
        }
        _ => error.to_string(),
    };
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str())
}

fn email_error(error: InvalidEmail) -> FieldError {
    let code = match error {
        InvalidEmail::Missing => "required",
        InvalidEmail::TooLong => "too_long",
        InvalidEmail::ForbiddenCharacter => "forbidden_character",
        InvalidEmail::NotAnAddress => "invalid",
    };
    FieldError { field: "email".to_owned(), code, message: error.to_string() }
}

fn password_error(field: &str, error: RefusedPassword) -> FieldError {
    let code = match error {
        RefusedPassword::TooShort => "too_short",
        RefusedPassword::TooLong => "too_long",
        RefusedPassword::Nul => "forbidden_character",
        RefusedPassword::Common => "common",
        RefusedPassword::SimilarToEmail => "similar_to_email",
    };
    FieldError { field: field.to_owned(), code, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_as_a_sentence() {
        let problem = Error::from(EmailTaken).problem();
        assert_eq!(problem.detail, "This e-mail address has an account already.");
    }

    #[test]
    fn each_401_names_the_scheme() {
        let problem = Error::from(NoToken::Missing).problem();
        assert_eq!(problem.headers[WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn an_overloaded_server_says_when_to_come_back() {
        let overloaded = Overloaded { retry_after: std::time::Duration::from_millis(2500) };
        assert_eq!(Error::from(overloaded).problem().headers[RETRY_AFTER], "3");
    }
}
