//! `/api/auth/second-factor`: the caller's second factor, one file per request. The second step of a login is
//! `http::login_second_factor`.

pub mod confirm;
pub mod disable;
pub mod enrol;
pub mod recovery_codes;
pub mod status;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::second_factor::RecoveryCode;

/// The current password, without which nothing about the second factor changes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentPasswordBody {
    #[schema(example = "kettle-7-fog-lamp")]
    current_password: String,
}

/// A new set of recovery codes: shown here and never again.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCodesAnswer {
    /// Ten, each good for one login.
    #[schema(example = json!(["0123-4567-89AB-CDEF"]))]
    recovery_codes: Vec<String>,
}

impl RecoveryCodesAnswer {
    fn of(codes: &[RecoveryCode]) -> Self {
        Self { recovery_codes: codes.iter().map(RecoveryCode::text).collect() }
    }
}
