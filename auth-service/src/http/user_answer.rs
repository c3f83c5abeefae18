//! An account as every answer shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::accounts::{Role, UserId};
use crate::db::users::User;

/// `{id, email, role}`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserAnswer {
    /// The account.
    pub id: UserId,
    /// Its normalised address.
    #[schema(example = "ann@example.com")]
    pub email: String,
    /// What it may do.
    pub role: Role,
}

/// `{user}`: what registering and bootstrapping answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedAnswer {
    /// The new account.
    pub user: UserAnswer,
}

impl From<User> for UserAnswer {
    fn from(user: User) -> Self {
        Self { id: user.id, email: user.email, role: user.role }
    }
}
