//! Away or wrong: what an error of the database means for the request.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why a unit of work failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is away, too slow, or a replica that cannot write. Nothing is known about the work's
    /// effect; the caller may try again later (503).
    #[error("the database is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The statement itself was refused: a constraint, or a fault of ours.
    #[error("a statement failed")]
    Statement(#[source] DieselError),
}

impl Error {
    /// True when the statement broke the named unique constraint.
    pub fn violates_unique(&self, constraint: &str) -> bool {
        matches!(self, Self::Statement(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, information))
            if information.constraint_name() == Some(constraint))
    }

    pub(crate) fn unavailable(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Unavailable(Box::new(source))
    }

    pub(crate) fn out_of_time(what: &'static str) -> Self {
        Self::Unavailable(Box::new(OutOfTime(what)))
    }

    pub(crate) fn classify(error: DieselError, connection_broken: bool) -> Self {
        let away = connection_broken
            || matches!(
                error,
                DieselError::BrokenTransactionManager
                    | DieselError::DatabaseError(
                        DatabaseErrorKind::ClosedConnection
                            | DatabaseErrorKind::UnableToSendCommand
                            | DatabaseErrorKind::ReadOnlyTransaction,
                        _
                    )
            );
        // A server that shuts down says so on the connection before it closes it; diesel does not pass the
        // SQLSTATE on, so the words have to do.
        if away || says_goodbye(&error) { Self::unavailable(error) } else { Self::Statement(error) }
    }
}

fn says_goodbye(error: &DieselError) -> bool {
    let DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) = error else {
        return false;
    };
    let message = information.message();
    ["terminating connection", "the database system is", "canceling statement due to statement timeout"]
        .iter()
        .any(|words| message.starts_with(words))
}

#[derive(Debug, thiserror::Error)]
#[error("out of time while {0}")]
struct OutOfTime(&'static str);
