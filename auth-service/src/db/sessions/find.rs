//! A session and its owner, as the owner may see them: one statement.

use database::{Database, Error};
use diesel::dsl::{exists, now};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;

use crate::accounts::{AccountStatus, UserId};
use crate::db::schema::{second_factors, sessions, users};
use crate::db::statement::interval;
use crate::db::users::{USER, User};
use crate::sessions::{Amr, Delivery, Session, SessionId, SessionPolicy};

/// A live session and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The account.
    pub user: User,
    /// The session.
    pub session: Session,
    /// Whether a login asks for a second factor.
    pub has_second_factor: bool,
}

#[derive(Queryable)]
struct Row {
    generation: i64,
    epoch: i32,
    delivery: Delivery,
    amr: Amr,
    created_at: OffsetDateTime,
    rotated_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

/// The session of an id, if it is that user's and its tokens would still be taken.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn find(
    db: &Database,
    user: UserId,
    id: SessionId,
    policy: &SessionPolicy,
) -> Result<Option<Overview>, Error> {
    let idle = interval(policy.idle).into_sql::<diesel::sql_types::Interval>();
    let factor = second_factors::table
        .filter(second_factors::user_id.eq(users::id).and(second_factors::confirmed_at.is_not_null()));
    let found: Option<(User, Row, bool)> = db
        .hot(async |connection| {
            sessions::table
                .inner_join(users::table)
                .filter(sessions::id.eq(id.0).and(sessions::user_id.eq(user.0)))
                .filter(sessions::ended_at.is_null().and(sessions::expires_at.gt(now)))
                .filter((sessions::rotated_at + idle).gt(now))
                .filter(sessions::epoch.ge(users::epoch))
                .filter(users::status.eq(AccountStatus::Active.as_str()))
                .select((
                    USER,
                    (
                        sessions::generation,
                        sessions::epoch,
                        sessions::delivery,
                        sessions::amr,
                        sessions::created_at,
                        sessions::rotated_at,
                        sessions::expires_at,
                    ),
                    exists(factor),
                ))
                .first(connection)
                .await
                .optional()
        })
        .await?;
    Ok(found.map(|(user, row, has_second_factor)| Overview {
        user,
        session: row.session(id),
        has_second_factor,
    }))
}

impl Row {
    fn session(self, id: SessionId) -> Session {
        Session {
            id,
            generation: self.generation,
            epoch: self.epoch,
            delivery: self.delivery,
            amr: self.amr,
            created_at: self.created_at,
            rotated_at: self.rotated_at,
            expires_at: self.expires_at,
        }
    }
}
