//! Every `code` that an error of Portcullis can carry. They are part of the API: a code is never renamed.
//!
//! `docs/errors.md` explains each one; a test holds that page and [`ALL`] together.

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal;)*) => {
        $($(#[doc = $doc])* pub const $name: &str = $code;)*
        /// Every code, in the order of this file.
        pub const ALL: &[&str] = &[$($code),*];
        /// The sentence that stands above each code in this file.
        const SENTENCES: &[(&str, &str)] = &[$(($code, concat!($($doc),*))),*];
    };
}

/// The status that a code goes with, and what it means; `None` for what is no code of ours.
#[must_use]
pub fn meaning(code: &str) -> Option<(u16, &'static str)> {
    let (_, sentence) = SENTENCES.iter().find(|(known, _)| *known == code)?;
    let (status, meaning) = sentence.split_once(": ")?;
    Some((status.trim().parse().ok()?, meaning))
}

codes! {
    /// 400: the request line, the target or the framing is ambiguous or malformed.
    BAD_REQUEST = "bad_request";
    /// 400: the body is no JSON of the expected form.
    MALFORMED_JSON = "malformed_json";
    /// 400: a query parameter is wrong.
    INVALID_QUERY = "invalid_query";
    /// 400: an `Idempotency-Key` of the wrong form.
    INVALID_IDEMPOTENCY_KEY = "invalid_idempotency_key";
    /// 400: two refresh cookies that verify, of different sessions. Both are deleted.
    AMBIGUOUS_SESSION = "ambiguous_session";
    /// 401: no token, or the caller is anonymous.
    UNAUTHENTICATED = "unauthenticated";
    /// 401: the token is garbled, forged, expired or of another issuer, or the refresh token is no token of ours.
    INVALID_TOKEN = "invalid_token";
    /// 401: a refresh without a refresh token.
    MISSING_TOKEN = "missing_token";
    /// 401: the session was ended: by logout, by an administrator, by a password change, or for reuse.
    SESSION_ENDED = "session_ended";
    /// 401: the session reached its idle or absolute end.
    SESSION_EXPIRED = "session_expired";
    /// 401: the token before the current one, presented after the grace: the session is ended.
    LATE_PREVIOUS = "late_previous";
    /// 401: a refresh token replaced long ago: the session is ended.
    STALE_LINEAGE = "stale_lineage";
    /// 401: e-mail and password do not match an account.
    INVALID_CREDENTIALS = "invalid_credentials";
    /// 401: the challenge of a login's second step is garbled, too old or no longer stands: begin with the password.
    INVALID_CHALLENGE = "invalid_challenge";
    /// 401: the code of a login's second step is wrong, or has been used.
    INVALID_CODE = "invalid_code";
    /// 401: the call did not come through the gateway.
    IDENTITY_REQUIRED = "identity_required";
    /// 403: the caller's role does not suffice.
    FORBIDDEN = "forbidden";
    /// 403: the account is disabled.
    ACCOUNT_DISABLED = "account_disabled";
    /// 403: the password that should have been the current one is not.
    WRONG_PASSWORD = "wrong_password";
    /// 403: the password is right and a second factor is needed: `challenge` goes to the second step, within `expiresIn` seconds.
    MFA_REQUIRED = "mfa_required";
    /// 403: the code that should have confirmed a second factor is not the app's.
    WRONG_CODE = "wrong_code";
    /// 403: a browser asked for the refresh token in the body.
    BODY_DELIVERY_REFUSED = "body_delivery_refused";
    /// 403: a cookie-bearing call from nowhere, or from an origin that is not allowed.
    ORIGIN_REQUIRED = "origin_required";
    /// 403: the bootstrap token is wrong or too old.
    INVALID_BOOTSTRAP_TOKEN = "invalid_bootstrap_token";
    /// 403: the address of the account must be verified first.
    EMAIL_UNVERIFIED = "email_unverified";
    /// 403: the token of a mailed link is not good any more.
    INVALID_MAIL_TOKEN = "invalid_mail_token";
    /// 403: plain HTTP in production.
    HTTPS_REQUIRED = "https_required";
    /// 404: nothing here, or nothing of the caller's.
    NOT_FOUND = "not_found";
    /// 404: this installation sends no mail.
    MAIL_NOT_CONFIGURED = "mail_not_configured";
    /// 405: another method, see `Allow`.
    METHOD_NOT_ALLOWED = "method_not_allowed";
    /// 408: the request did not arrive in time.
    REQUEST_TIMEOUT = "request_timeout";
    /// 409: the e-mail address has an account.
    EMAIL_TAKEN = "email_taken";
    /// 409: nobody would be left to administer anything.
    LAST_ADMIN = "last_admin";
    /// 409: the account has a second factor already.
    SECOND_FACTOR_ON = "second_factor_on";
    /// 409: the account has no second factor, or none is waiting for its first code.
    SECOND_FACTOR_OFF = "second_factor_off";
    /// 409: the order's state does not allow that.
    ILLEGAL_TRANSITION = "illegal_transition";
    /// 413: the body is too large.
    BODY_TOO_LARGE = "body_too_large";
    /// 414: the target is too long.
    URI_TOO_LONG = "uri_too_long";
    /// 415: only `application/json` is read.
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type";
    /// 417: an expectation other than `100-continue`.
    EXPECTATION_FAILED = "expectation_failed";
    /// 421: a host that this gateway does not serve.
    MISDIRECTED_REQUEST = "misdirected_request";
    /// 422: one or more fields are wrong; `errors` names each.
    INVALID_FIELDS = "invalid_fields";
    /// 422: the idempotency key was used with another body.
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused";
    /// 429: too many attempts at a password, a code, a token or a registration; see `Retry-After`.
    TOO_MANY_ATTEMPTS = "too_many_attempts";
    /// 429: too many requests; see `Retry-After`.
    TOO_MANY_REQUESTS = "too_many_requests";
    /// 431: the header fields are too large.
    HEADERS_TOO_LARGE = "headers_too_large";
    /// 500: our fault; the request id leads to the log.
    INTERNAL = "internal";
    /// 502: the upstream answered, but not in HTTP.
    BAD_GATEWAY = "bad_gateway";
    /// 503: something that is needed is away or busy; see `Retry-After`.
    UNAVAILABLE = "unavailable";
    /// 503: the upstream was lost before it answered; whether it did what was asked is not known.
    ANSWER_LOST = "answer_lost";
    /// 504: the upstream took too long.
    GATEWAY_TIMEOUT = "gateway_timeout";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_begins_with_the_status() {
        for code in ALL {
            let status = meaning(code).map(|(status, _)| status);
            assert!(status.is_some_and(|status| (400..600).contains(&status)), "{code}");
        }
        assert_eq!(meaning(NOT_FOUND), Some((404, "nothing here, or nothing of the caller's.")));
        assert_eq!(meaning("made_up"), None);
    }
}
