//! What the cache remembers of a token: facts, never a decision.

use access_token::{Audience, Claims, Refusal};

use super::revocations::Subject;
use crate::pipeline::principal::Principal;

/// A token whose signature was checked.
#[derive(Debug)]
pub struct Verified {
    principal: Principal,
    audience: Audience,
    subject: Subject,
    key: Box<str>,
}

impl Verified {
    /// Keeps of claims that `key` verified what requests need.
    pub fn new(claims: Claims, key: Box<str>) -> Self {
        Self { principal: Principal::new(&claims), subject: Subject::of(&claims), audience: claims.aud, key }
    }

    /// Whose token it is.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the revocations are asked.
    pub(super) const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The key that verified it.
    pub(super) const fn key(&self) -> &str {
        &self.key
    }

    /// Asks again what may have changed since the signature was checked.
    ///
    /// # Errors
    /// The token has expired, or is not for this audience.
    pub fn check(&self, audience: &str, now: i64) -> Result<(), Refusal> {
        if self.principal.is_expired(now) {
            return Err(Refusal::Expired);
        }
        if !self.audience.contains(audience) {
            return Err(Refusal::WrongAudience);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A user's token for `a` and `b` that expires at 9.
    pub(crate) fn verified() -> Verified {
        let claims = serde_json::json!({
            "iss": "i", "aud": ["a", "b"], "sub": "u-1", "client_id": "portcullis", "sid": "s-1", "epoch": 3, "jti": "j",
            "iat": 1, "exp": 9, "email": "ann@example.com", "role": "ADMIN",
        });
        Verified::new(serde_json::from_value(claims).unwrap(), "k-1".into())
    }

    #[test]
    fn expiry_and_audience_are_asked_every_time() {
        let check = |audience, now, expected| {
            assert_eq!(verified().check(audience, now), expected, "{audience} {now}");
        };
        check("a", 8, Ok(()));
        check("b", 8, Ok(()));
        check("a", 9, Err(Refusal::Expired));
        check("c", 8, Err(Refusal::WrongAudience));
    }
}
