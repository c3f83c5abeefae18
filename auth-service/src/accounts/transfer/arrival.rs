//! What has to be true of a line before it is let in.

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};
use uuid::Uuid;

use super::{Record, RefusedLine};
use crate::accounts::password_hash::PasswordHash;
use crate::accounts::{AccountStatus, Email, Role, UserId, foreign_hash};

/// By how much another system's clock may be ahead of ours.
const CLOCKS: Duration = Duration::DAY;

/// Who is let in.
#[derive(Debug, Clone, Copy)]
pub struct Admission {
    /// Whether administrators are.
    pub admins: bool,
    /// The time.
    pub now: OffsetDateTime,
}

/// An account as a line tells it. What the line leaves out is `None`, and then nothing is held against an account that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Under which id others know it.
    pub id: Option<UserId>,
    /// Its address.
    pub email: Email,
    /// The hash of its password.
    pub password_hash: Option<PasswordHash>,
    /// What it may do.
    pub role: Option<Role>,
    /// Whether it may log in.
    pub status: Option<AccountStatus>,
    /// When it was made.
    pub created_at: Option<OffsetDateTime>,
    /// Whether its address is verified.
    pub verified: Option<Verified>,
    /// Whether it is one for demonstrations.
    pub demo: bool,
    /// Whether it had a second factor, which it has no more.
    pub second_factor: bool,
}

/// Whether an address is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// It is not.
    No,
    /// It is, nobody knows since when.
    Undated,
    /// It is, since then.
    Since(OffsetDateTime),
}

impl Arrival {
    /// Reads and checks a line; of several things that are wrong, the first is told.
    pub fn read(line: &[u8], admission: &Admission) -> Result<Self, RefusedLine> {
        Self::check(Record::read(line)?, admission)
    }

    fn check(record: Record, admission: &Admission) -> Result<Self, RefusedLine> {
        let since = time("emailVerifiedAt", record.email_verified_at, admission)?;
        Ok(Self {
            id: record.id.map(|id| id_of(&id).ok_or(RefusedLine::Id)).transpose()?,
            email: Email::parse(&record.email.unwrap_or_default()).map_err(RefusedLine::Email)?,
            password_hash: hash(record.password_hash.as_deref())?,
            role: record.role.map(|role| role_of(&role, admission)).transpose()?,
            status: record.status.map(|text| text.parse().map_err(|_| RefusedLine::Status)).transpose()?,
            created_at: time("createdAt", record.created_at, admission)?,
            verified: verified(record.email_verified, since)?,
            demo: record.demo.unwrap_or_default(),
            second_factor: record.second_factor.unwrap_or_default(),
        })
    }
}

fn role_of(text: &str, admission: &Admission) -> Result<Role, RefusedLine> {
    match text.parse() {
        Ok(Role::Admin) if !admission.admins => Err(RefusedLine::Admin),
        role => role.map_err(|_| RefusedLine::Role),
    }
}

fn hash(text: Option<&str>) -> Result<Option<PasswordHash>, RefusedLine> {
    text.map(foreign_hash::check).transpose().map_err(RefusedLine::PasswordHash)
}

/// Nobody has the id of all zeros: it is what is written where there is none.
fn id_of(text: &str) -> Option<UserId> {
    let id = text.parse().ok().filter(|id: &Uuid| !id.is_nil());
    id.map(UserId)
}

fn time(
    field: &'static str,
    text: Option<String>,
    admission: &Admission,
) -> Result<Option<OffsetDateTime>, RefusedLine> {
    text.map(|text| time_of(&text, admission.now).ok_or(RefusedLine::Time(field))).transpose()
}

/// In UTC, as finely as PostgreSQL keeps it: what is stored must equal what was read.
fn time_of(text: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)?;
    let time = time.replace_nanosecond(time.microsecond() * 1_000).ok()?;
    (time >= OffsetDateTime::UNIX_EPOCH && time <= now + CLOCKS).then_some(time)
}

fn verified(is: Option<bool>, since: Option<OffsetDateTime>) -> Result<Option<Verified>, RefusedLine> {
    match (is, since) {
        (None | Some(true), Some(since)) => Ok(Some(Verified::Since(since))),
        (Some(false), Some(_)) => Err(RefusedLine::Verified),
        (Some(true), None) => Ok(Some(Verified::Undated)),
        (Some(false), None) => Ok(Some(Verified::No)),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::accounts::email::InvalidEmail;
    use crate::accounts::foreign_hash::InvalidHash;

    const NOW: OffsetDateTime = datetime!(2026-11-24 12:00 UTC);
    const HASH: &str = "$2y$04$qASuebsFmzlzDNXZ8Yg.FuBZGXOtnCoIapc27sUWGQ.I03RixIPPa";

    fn read(line: &str) -> Result<Arrival, RefusedLine> {
        Arrival::read(line.as_bytes(), &Admission { admins: false, now: NOW })
    }

    #[test]
    fn an_address_is_enough() {
        let arrival = read(r#"{"email":" Ann@Example.com "}"#).unwrap();
        assert_eq!(arrival.email.as_str(), "ann@example.com");
        assert_eq!((arrival.id, arrival.password_hash, arrival.role), (None, None, None));
        assert_eq!((arrival.created_at, arrival.verified, arrival.demo), (None, None, false));
    }

    #[test]
    fn everything_else_is_taken_as_it_is_given() {
        let line = format!(
            r#"{{"id":"6C1E4D2A-0000-4000-8000-000000000001","email":"ann@example.com","passwordHash":"{HASH}",
            "role":"USER","status":"disabled","createdAt":"2020-02-29T13:00:00.123456789+01:00",
            "emailVerifiedAt":"2020-03-01T00:00:00Z","demo":true,"secondFactor":true}}"#
        );
        let arrival = read(&line).unwrap();
        assert_eq!(arrival.id.unwrap().to_string(), "6c1e4d2a-0000-4000-8000-000000000001");
        assert_eq!(arrival.password_hash.unwrap().secret().expose(), HASH);
        assert_eq!(arrival.status, Some(AccountStatus::Disabled));
        assert_eq!(arrival.created_at, Some(datetime!(2020-02-29 12:00:00.123456 UTC)));
        assert_eq!(arrival.verified, Some(Verified::Since(datetime!(2020-03-01 00:00 UTC))));
        assert!(arrival.demo && arrival.second_factor);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let check = |rest: &str, expected: RefusedLine| {
            let line = format!(r#"{{"email":"ann@example.com",{rest}}}"#);
            assert_eq!(read(&line), Err(expected), "{rest}");
        };
        check(r#""role":"ADMIN""#, RefusedLine::Admin);
        check(r#""role":"admin""#, RefusedLine::Role);
        check(r#""status":"ACTIVE""#, RefusedLine::Status);
        check(r#""id":"7""#, RefusedLine::Id);
        check(r#""id":"00000000-0000-0000-0000-000000000000""#, RefusedLine::Id);
        check(r#""passwordHash":"x""#, RefusedLine::PasswordHash(InvalidHash::NotBcrypt));
        check(r#""passwordHash":"!""#, RefusedLine::PasswordHash(InvalidHash::NotBcrypt));
        for wrong in [
            "2020-02-30T00:00:00Z",
            "2020-01-01",
            "1580000000",
            "1969-12-31T23:59:59Z",
            "2026-11-26T00:00:00Z",
        ] {
            check(&format!(r#""createdAt":"{wrong}""#), RefusedLine::Time("createdAt"));
            check(&format!(r#""emailVerifiedAt":"{wrong}""#), RefusedLine::Time("emailVerifiedAt"));
        }
        check(r#""emailVerified":false,"emailVerifiedAt":"2020-01-01T00:00:00Z""#, RefusedLine::Verified);
        assert_eq!(read("{}"), Err(RefusedLine::Email(InvalidEmail::Missing)));
        assert_eq!(read(r#"{"email":"ann"}"#), Err(RefusedLine::Email(InvalidEmail::NotAnAddress)));
    }

    #[test]
    fn an_administrator_is_let_in_where_that_was_said() {
        let admission = Admission { admins: true, now: NOW };
        let arrival = Arrival::read(br#"{"email":"ann@example.com","role":"ADMIN"}"#, &admission).unwrap();
        assert_eq!(arrival.role, Some(Role::Admin));
    }
}
