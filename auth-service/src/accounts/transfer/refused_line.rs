//! Why a line does not become an account. Said to an operator beside the line's number; it never repeats a value of the line.

use super::lines::MAX_BYTES;
use crate::accounts::email::InvalidEmail;
use crate::accounts::foreign_hash::InvalidHash;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedLine {
    /// It was not read to its end.
    #[error("the line is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It is not.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// It is no JSON, or something else than one object, from this column on.
    #[error("the line is not one JSON object (column {0})")]
    NotJson(usize),
    /// It says something that nobody would heed.
    #[error("there is no field `{0}`")]
    UnknownField(String),
    /// It says something twice.
    #[error("the field `{0}` stands there twice")]
    RepeatedField(String),
    /// A value that ends at this column is a text where a truth value should be, or the like.
    #[error("a value is of the wrong type (column {0})")]
    WrongType(usize),
    /// The address is none.
    #[error("email {0}")]
    Email(InvalidEmail),
    /// The hash cannot be compared with.
    #[error("passwordHash {0}")]
    PasswordHash(InvalidHash),
    /// The id is no UUID, or the one of all zeros.
    #[error("id must be a UUID")]
    Id,
    /// There is no such role.
    #[error("role must be USER or ADMIN")]
    Role,
    /// Administrators come only where the operator says so.
    #[error("role is ADMIN, and --allow-admins was not given")]
    Admin,
    /// There is no such status.
    #[error("status must be active or disabled")]
    Status,
    /// The time is none, or none that can be true.
    #[error("{0} must be a time of RFC 3339, since 1970 and not in the future")]
    Time(&'static str),
    /// Two fields contradict each other.
    #[error("emailVerified contradicts emailVerifiedAt")]
    Verified,
    /// The id belongs to another account: whoever holds it elsewhere would take this one for that one.
    #[error("id belongs to an account with another address")]
    IdTaken,
}

impl RefusedLine {
    /// For programs; never renamed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "line_too_long",
            Self::NotUtf8 => "invalid_utf8",
            Self::NotJson(_) => "invalid_json",
            Self::UnknownField(_) | Self::RepeatedField(_) | Self::WrongType(_) | Self::Verified => {
                "invalid_fields"
            }
            Self::Email(_) => "invalid_email",
            Self::PasswordHash(_) => "invalid_password_hash",
            Self::Id => "invalid_id",
            Self::Role => "invalid_role",
            Self::Admin => "admin_not_allowed",
            Self::Status => "invalid_status",
            Self::Time(_) => "invalid_time",
            Self::IdTaken => "id_taken",
        }
    }
}
