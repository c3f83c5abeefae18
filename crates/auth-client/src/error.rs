//! Why a call to the auth service came to nothing.

use std::sync::Arc;
use std::time::Duration;

/// None of them shows a token or a secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// Nobody answered, or not in time.
    #[error("the auth service cannot be reached")]
    Unreachable(#[source] Arc<reqwest::Error>),
    /// It said that it cannot answer now (503), or that there were too many failures (429).
    #[error("the auth service is not available now ({status})")]
    Unavailable {
        /// 503 or 429.
        status: u16,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It refused, in the words of RFC 6749: `invalid_client`, `invalid_scope`, `insufficient_scope` and others.
    #[error("the auth service refused: {error} ({description})")]
    Refused {
        /// The status.
        status: u16,
        /// The error, to be compared.
        error: String,
        /// The error, to be read.
        description: String,
    },
    /// It answered something else than it should.
    #[error("the auth service answered {status}, which was not expected")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// Its key set cannot be used.
    #[error("the auth service's key set cannot be used")]
    Keys(#[from] access_token::KeySetError),
}

impl CallError {
    /// Whether the same call may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        // 502 and 504 are a proxy's, which cannot reach the service or had no answer in time, whatever else it says.
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Unavailable { .. }
                | Self::Unexpected { status: 502 | 504 }
                | Self::Refused { status: 502 | 504, .. }
        )
    }

    /// The address may name a host, and belongs to no answer of the service that uses this.
    pub(crate) fn unreachable(error: reqwest::Error) -> Self {
        Self::Unreachable(Arc::new(error.without_url()))
    }
}
