//! How the rules' words are read from columns.

use diesel::deserialize::{self, FromSql, Queryable};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::{Bytea, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::sessions::Outcome;
use crate::accounts::{AccountStatus, Role, UserId};
use crate::clients::SecretHash;
use crate::mail;
use crate::sessions::{Delivery, EndReason, SessionId};
use crate::tokens::refresh_token::NonceHash;
use crate::tokens::signing_key::Algorithm;

/// A word that the database stores as text and checks against the same list.
macro_rules! word {
    ($($word:ty),+) => {$(
        impl FromSql<Text, Pg> for $word {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                Ok(<String as FromSql<Text, Pg>>::from_sql(value)?.parse()?)
            }
        }
        queryable!($word, Text);
    )+};
}

macro_rules! queryable {
    ($rust:ty, $sql:ty) => {
        impl Queryable<$sql, Pg> for $rust {
            type Row = Self;
            fn build(row: Self) -> deserialize::Result<Self> {
                Ok(row)
            }
        }
    };
}

macro_rules! id {
    ($($id:ident),+) => {$(
        impl FromSql<SqlUuid, Pg> for $id {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                <Uuid as FromSql<SqlUuid, Pg>>::from_sql(value).map($id)
            }
        }
        queryable!($id, SqlUuid);
    )+};
}

word!(Role, AccountStatus, Delivery, EndReason, Algorithm, Outcome, mail::Kind);
id!(UserId, SessionId);

impl FromSql<Bytea, Pg> for NonceHash {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(value.as_bytes().try_into()?))
    }
}
queryable!(NonceHash, Bytea);

impl FromSql<Bytea, Pg> for SecretHash {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(value.as_bytes().try_into()?))
    }
}
queryable!(SecretHash, Bytea);
