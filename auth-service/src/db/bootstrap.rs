//! `bootstrap`: the one token that may make the first ADMIN, and whether there ever was one.
//!
//! A trigger closes the table's only row when an account gets the role ADMIN, however it does, so nobody can forget to.

use std::time::Duration;

use database::{Database, Error};
use diesel::dsl::now;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::query_dsl::methods::FilterDsl as _;
use diesel::sql_types::{Bytea, Interval, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use super::schema::bootstrap;
use super::statement::{interval, prepared, push_given};
use super::users::{NewUser, UNIQUE_EMAIL};
use crate::accounts::bootstrap::BootstrapTokenHash;
use crate::sessions::Device;

/// How a presented token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is, or once was, an ADMIN; or no token was ever offered.
    Closed,
    /// Not the token, or too late.
    Wrong,
    /// The token: the first ADMIN may be made.
    Good,
}

/// What became of an attempt to make the first ADMIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bootstrapped {
    /// The account was made, and bootstrap is over for good.
    Done,
    /// The token was not good (any more); nothing was made.
    Refused(Standing),
    /// Another account has the address; the token is still good.
    EmailTaken,
}

/// Replaces the token by this one. `false`: there is, or once was, an ADMIN, and no token will be good.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn offer(db: &Database, token: BootstrapTokenHash, lifetime: Duration) -> Result<bool, Error> {
    let token_hash = token.0;
    let values = (
        bootstrap::token_hash.eq(token_hash.as_slice()),
        bootstrap::expires_at
            .eq((now.into_sql::<Timestamptz>() + interval(lifetime).into_sql::<Interval>()).nullable()),
    );
    let offered = db
        .run(async |connection| {
            diesel::insert_into(bootstrap::table)
                .values(values)
                .on_conflict(bootstrap::singleton)
                .do_update()
                .set(values)
                .filter(bootstrap::closed_at.is_null())
                .execute(connection)
                .await
        })
        .await?;
    Ok(offered == 1)
}

/// How a token stands, asked before its bearer's password is worth hashing.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn standing(db: &Database, token: BootstrapTokenHash) -> Result<Standing, Error> {
    let token_hash = token.0;
    let good = bootstrap::token_hash.eq(token_hash.as_slice()).and(bootstrap::expires_at.gt(now));
    let found: Option<(bool, Option<bool>)> = db
        .run(async |connection| {
            bootstrap::table.select((bootstrap::closed_at.is_null(), good)).first(connection).await.optional()
        })
        .await?;
    Ok(match found {
        None | Some((false, _)) => Standing::Closed,
        Some((true, Some(true))) => Standing::Good,
        Some((true, _)) => Standing::Wrong,
    })
}

const CLAIM: &str = include_str!("bootstrap_claim.sql");

struct Claim<'a> {
    token_hash: [u8; 32],
    new: &'a NewUser,
    address: Option<String>,
    user_agent: Option<&'a str>,
    request_id: Option<&'a str>,
    audit_id: Uuid,
}

prepared!(Claim selects SqlUuid);

impl QueryFragment<Pg> for Claim<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_given!(out,
            "token_hash": Bytea = &self.token_hash,
            "user_id": SqlUuid = &self.new.id.0,
            "email": Text = self.new.email.as_str(),
            "password_hash": Text = self.new.password_hash.expose(),
            "role": Text = self.new.role.as_str(),
            "address": Nullable<Text> = &self.address,
            "user_agent": Nullable<Text> = &self.user_agent,
            "request_id": Nullable<Text> = &self.request_id,
            "audit_id": SqlUuid = &self.audit_id,
        );
        out.push_sql(CLAIM);
        Ok(())
    }
}

/// Makes the first ADMIN and closes bootstrap, in one statement: of parallel attempts with the token one wins.
///
/// # Errors
/// [`Error`] when the database is away or fails.
pub async fn claim(
    db: &Database,
    token: BootstrapTokenHash,
    new: &NewUser,
    device: &Device,
) -> Result<Bootstrapped, Error> {
    let statement = Claim {
        token_hash: token.0,
        new,
        address: device.address_text(),
        user_agent: device.user_agent.as_deref(),
        request_id: device.request_id.as_deref(),
        audit_id: Uuid::now_v7(),
    };
    let made: Result<Option<Uuid>, Error> =
        db.run(async |connection| statement.get_result(connection).await.optional()).await;
    match made {
        Ok(Some(_)) => Ok(Bootstrapped::Done),
        Ok(None) => standing(db, token).await.map(|standing| match standing {
            // The token was not what stood in the way.
            Standing::Good => Bootstrapped::EmailTaken,
            refused => Bootstrapped::Refused(refused),
        }),
        // Somebody registered the address while the statement ran.
        Err(error) if error.violates_unique(UNIQUE_EMAIL) => Ok(Bootstrapped::EmailTaken),
        Err(error) => Err(error),
    }
}
