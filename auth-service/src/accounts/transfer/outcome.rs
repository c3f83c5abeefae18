//! What becomes of a line beside the accounts that are there. Those are never changed.

use time::OffsetDateTime;

use super::{Arrival, Verified};
use crate::accounts::password_hash::PasswordHash;
use crate::accounts::{AccountStatus, Role, UserId};

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The account was made.
    Imported,
    /// It is there, and all that the line says is true of it.
    Unchanged,
    /// The address has an account, of which these fields are not what the line says.
    Exists(Vec<&'static str>),
    /// The address has none, and the id has one with another address.
    IdTaken,
}

/// An account that is there.
#[derive(Debug, Clone)]
pub struct Existing {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// The hash of its password.
    pub password_hash: PasswordHash,
    /// What it may do.
    pub role: Role,
    /// Whether it may log in.
    pub status: AccountStatus,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Since when its address is verified.
    pub email_verified_at: Option<OffsetDateTime>,
}

impl Outcome {
    /// Of a line whose address or id this account has.
    #[must_use]
    pub fn beside(arrival: &Arrival, existing: &Existing) -> Self {
        if existing.email != arrival.email.as_str() {
            return Self::IdTaken;
        }
        let differing = differing(arrival, existing);
        if differing.is_empty() { Self::Unchanged } else { Self::Exists(differing) }
    }
}

/// The names of the fields that the line gives and the account has otherwise.
fn differing(arrival: &Arrival, existing: &Existing) -> Vec<&'static str> {
    let is_verified = arrival.verified.is_none_or(|verified| match verified {
        Verified::No => existing.email_verified_at.is_none(),
        Verified::Undated => existing.email_verified_at.is_some(),
        Verified::Since(time) => existing.email_verified_at == Some(time),
    });
    let hash = arrival.password_hash.as_ref();
    let compared = [
        ("id", arrival.id.is_none_or(|id| id == existing.id)),
        ("passwordHash", hash.is_none_or(|hash| *hash == existing.password_hash)),
        ("role", arrival.role.is_none_or(|role| role == existing.role)),
        ("status", arrival.status.is_none_or(|status| status == existing.status)),
        ("createdAt", arrival.created_at.is_none_or(|time| time == existing.created_at)),
        ("emailVerified", is_verified),
    ];
    compared.into_iter().filter_map(|(name, is_so)| (!is_so).then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use secret::Secret;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;
    use crate::accounts::transfer::Admission;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);
    const HASH: &str = "$2y$04$qASuebsFmzlzDNXZ8Yg.FuBZGXOtnCoIapc27sUWGQ.I03RixIPPa";
    const ID: &str = "0199a1b2-0000-7000-8000-000000000001";

    fn check(rest: &str, expected: Outcome) {
        let existing = Existing {
            id: UserId(ID.parse::<Uuid>().unwrap()),
            email: "ann@example.com".to_owned(),
            password_hash: PasswordHash::stored(Secret::new(HASH.to_owned())),
            role: Role::User,
            status: AccountStatus::Active,
            created_at: datetime!(2020-01-01 00:00 UTC),
            email_verified_at: Some(datetime!(2020-01-02 00:00 UTC)),
        };
        let line = format!("{{{rest}}}");
        let arrival = Arrival::read(line.as_bytes(), &Admission { admins: true, now: NOW }).unwrap();
        assert_eq!(Outcome::beside(&arrival, &existing), expected, "{rest}");
    }

    #[test]
    fn what_a_line_leaves_out_is_not_held_against_an_account() {
        check(r#""email":"ann@example.com""#, Outcome::Unchanged);
        let all = format!(
            r#""email":"ann@example.com","id":"{ID}","passwordHash":"{HASH}","role":"USER","status":"active",
            "createdAt":"2020-01-01T00:00:00Z","emailVerifiedAt":"2020-01-02T00:00:00Z""#
        );
        check(&all, Outcome::Unchanged);
        check(r#""email":"ann@example.com","emailVerified":true"#, Outcome::Unchanged);
    }

    #[test]
    fn what_differs_is_named() {
        let check = |rest: &str, name| {
            check(&format!(r#""email":"ann@example.com",{rest}"#), Outcome::Exists(vec![name]));
        };
        check(r#""id":"0199a1b2-0000-7000-8000-000000000002""#, "id");
        check(&format!(r#""passwordHash":"{}""#, HASH.replace("$2y$", "$2b$")), "passwordHash");
        check(r#""role":"ADMIN""#, "role");
        check(r#""status":"disabled""#, "status");
        check(r#""createdAt":"2020-01-01T00:00:01Z""#, "createdAt");
        check(r#""emailVerified":false"#, "emailVerified");
        check(r#""emailVerifiedAt":"2020-01-03T00:00:00Z""#, "emailVerified");
    }

    #[test]
    fn an_id_leads_to_one_person_only() {
        check(&format!(r#""email":"bob@example.com","id":"{ID}""#), Outcome::IdTaken);
    }
}
