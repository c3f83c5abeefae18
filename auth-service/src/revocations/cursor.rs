//! Up to where a subscriber has everything.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The database, from one recovery to the next. Transaction numbers mean something within one of these only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    /// Changes whenever the server has recovered from a crash, or is another one.
    pub id: Uuid,
    /// Its number within the server, because a database can be copied within it.
    pub database: u32,
}

/// Every entry of a smaller transaction number was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Where the number is from.
    pub incarnation: Incarnation,
    /// The oldest transaction that was open at the read: `pg_snapshot_xmin`.
    pub xmin: u64,
}

impl Cursor {
    /// Whether a later read can be here. Numbers only grow within an incarnation, unless the data were put back to what they
    /// had been, with the incarnation in them.
    #[must_use]
    pub fn may_follow(self, before: Self) -> bool {
        self.incarnation == before.incarnation && self.xmin >= before.xmin
    }
}

/// It is not one of ours. Whoever shows it has nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor")]
pub struct NoCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Incarnation { id, database } = self.incarnation;
        write!(f, "{}-{database}.{}", id.simple(), self.xmin)
    }
}

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (incarnation, xmin) = text.split_once('.').ok_or(NoCursor)?;
        let (id, database) = incarnation.split_once('-').ok_or(NoCursor)?;
        let incarnation = Incarnation {
            id: Uuid::try_parse(id).map_err(|_| NoCursor)?,
            database: database.parse().map_err(|_| NoCursor)?,
        };
        Ok(Self { incarnation, xmin: xmin.parse().map_err(|_| NoCursor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let cursor =
            Cursor { incarnation: Incarnation { id: Uuid::now_v7(), database: 16_391 }, xmin: 4_285_944 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            ".",
            "1",
            "x-1.1",
            "0b6f9a52c41e4d0c9a3f5d7e8c1b2a30.7",
            "0b6f9a52c41e4d0c9a3f5d7e8c1b2a30-1.-7",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
