//! What is said about a token (RFC 7662): everything, if it would be accepted at this moment, or nothing.

use access_token::Claims;
use time::OffsetDateTime;

use crate::accounts::{AccountStatus, Role, UserId};
use crate::sessions::refresh::{self, Decision};
use crate::sessions::{SessionId, SessionPolicy, SessionRow};
use crate::tokens::RefreshToken;

/// A token whose signature or tag is ours, so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A session's refresh token.
    Refresh(RefreshToken),
    /// An access token of a user.
    User(Box<Claims>, SessionId),
    /// An access token of a client.
    Client(Box<Claims>),
}

impl Subject {
    /// The session that the token stands or falls with.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Refresh(token) => Some(token.session_id),
            Self::User(_, session) => Some(*session),
            Self::Client(_) => None,
        }
    }

    /// The client that it stands or falls with.
    #[must_use]
    pub fn client(&self) -> Option<&str> {
        match self {
            Self::Client(claims) => Some(&claims.client_id),
            Self::Refresh(_) | Self::User(..) => None,
        }
    }
}

/// A session and whose it is, as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The session.
    pub session: SessionRow,
    /// Whose it is.
    pub user: UserId,
    /// Their address.
    pub email: String,
    /// Their role.
    pub role: Role,
}

/// What the database has about a [`Subject`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its session, if there still is one.
    pub owned: Option<Owned>,
    /// The epoch of its client, if there still is one.
    pub client_epoch: Option<i32>,
}

/// Whether the token would be accepted at `now`.
#[must_use]
pub fn is_active(
    subject: &Subject,
    standing: &Standing,
    policy: &SessionPolicy,
    now: OffsetDateTime,
) -> bool {
    match (subject, &standing.owned, standing.client_epoch) {
        (Subject::Refresh(token), Some(owned), _) => {
            matches!(refresh::decide(&owned.session, token, policy, now), Decision::Continue { .. })
        }
        (Subject::User(claims, _), Some(owned), _) => {
            claims.sub == owned.user.to_string() && stands(&owned.session, claims, policy, now)
        }
        (Subject::Client(claims), _, Some(epoch)) => reaches(claims.epoch, epoch),
        (Subject::Refresh(_) | Subject::User(..), None, _) | (Subject::Client(_), _, None) => false,
    }
}

/// As a gateway that has heard of everything would have it, and while the session could still be refreshed.
fn stands(row: &SessionRow, claims: &Claims, policy: &SessionPolicy, now: OffsetDateTime) -> bool {
    row.ended.is_none()
        && row.user_status == AccountStatus::Active
        && row.epoch >= row.user_epoch
        && reaches(claims.epoch, row.user_epoch)
        && now < row.expires_at
        && now < row.rotated_at + policy.idle
}

fn reaches(epoch: u32, least: i32) -> bool {
    i64::from(epoch) >= i64::from(least)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use access_token::Audience;

    use super::*;
    use crate::sessions::{Delivery, EndReason};
    use crate::tokens::Nonce;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);
    const HOUR: Duration = Duration::from_secs(3600);
    const POLICY: SessionPolicy =
        SessionPolicy { idle: HOUR, absolute: HOUR, grace: Duration::from_secs(10), access: HOUR };

    fn nonce() -> Nonce {
        Nonce::from_bytes([7; 16])
    }

    fn owned(user: UserId) -> Owned {
        let session = SessionRow {
            generation: 5,
            rotated_at: NOW - 2 * POLICY.grace,
            nonce_hash: nonce().hash(),
            delivery: Delivery::Body,
            epoch: 3,
            expires_at: NOW + HOUR,
            ended: None,
            user_epoch: 3,
            user_status: AccountStatus::Active,
        };
        Owned { session, user, email: "ann@example.com".to_owned(), role: Role::User }
    }

    fn claims(sub: &str, epoch: u32) -> Box<Claims> {
        Box::new(Claims {
            iss: "i".into(),
            aud: Audience::One("a".into()),
            sub: sub.into(),
            client_id: sub.into(),
            sid: None,
            epoch,
            jti: "j".into(),
            iat: 0,
            exp: 0,
            nbf: None,
            email: None,
            role: None,
            auth_time: None,
            amr: Vec::new(),
            scope: None,
        })
    }

    type Change = fn(&mut SessionRow);

    /// Each change of the row that must make the tokens of its session inactive.
    fn changes() -> [(&'static str, Change); 6] {
        [
            ("ended", |row| row.ended = Some(EndReason::Logout)),
            ("disabled", |row| row.user_status = AccountStatus::Disabled),
            ("overtaken", |row| row.user_epoch = 4),
            ("old", |row| row.expires_at = NOW),
            ("idle", |row| row.rotated_at = NOW - HOUR),
            ("behind", |row| row.epoch = 2),
        ]
    }

    #[test]
    fn a_users_tokens_are_active_while_their_session_is() {
        let user = UserId::generate();
        let token = RefreshToken::first(SessionId::generate(), Delivery::Body, nonce()).at_generation(5);
        let access = Subject::User(claims(&user.to_string(), 3), SessionId::generate());
        for subject in [Subject::Refresh(token), access] {
            let check = |what: &str, owned: Option<Owned>, expected: bool| {
                let standing = Standing { owned, client_epoch: Some(0) };
                assert_eq!(is_active(&subject, &standing, &POLICY, NOW), expected, "{what} {subject:?}");
            };
            check("whole", Some(owned(user)), true);
            check("purged", None, false);
            for (what, change) in changes() {
                let mut changed = owned(user);
                change(&mut changed.session);
                check(what, Some(changed), false);
            }
        }
    }

    #[test]
    fn an_access_token_is_its_own_users_and_of_their_epoch() {
        let standing = Standing { owned: Some(owned(UserId::generate())), client_epoch: None };
        let user = standing.owned.as_ref().unwrap().user.to_string();
        let check = |sub: &str, epoch, expected: bool| {
            let subject = Subject::User(claims(sub, epoch), SessionId::generate());
            assert_eq!(is_active(&subject, &standing, &POLICY, NOW), expected, "{sub} {epoch}");
        };
        check(&user, 3, true);
        check(&user, 2, false);
        check(&UserId::generate().to_string(), 3, false);
    }

    #[test]
    fn a_refresh_token_is_asked_about_as_refresh_would_decide() {
        let standing = Standing { owned: Some(owned(UserId::generate())), client_epoch: None };
        let token = RefreshToken::first(SessionId::generate(), Delivery::Body, nonce());
        let check = |token: RefreshToken, expected: bool| {
            assert_eq!(is_active(&Subject::Refresh(token), &standing, &POLICY, NOW), expected, "{token:?}");
        };
        check(token.at_generation(5), true);
        check(token.at_generation(4), false);
        check(RefreshToken { nonce: Nonce::from_bytes([8; 16]), ..token.at_generation(5) }, false);
        check(RefreshToken { delivery: Delivery::Cookie, ..token.at_generation(5) }, false);
    }

    #[test]
    fn a_clients_token_is_of_its_epoch_or_later() {
        for (known, epoch, expected) in [(Some(2), 2, true), (Some(3), 2, false), (None, 2, false)] {
            let standing = Standing { owned: None, client_epoch: known };
            let subject = Subject::Client(claims("billing", epoch));
            assert_eq!(is_active(&subject, &standing, &POLICY, NOW), expected, "{known:?}");
        }
    }
}
