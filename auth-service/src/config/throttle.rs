//! How many attempts may fail.

use process::Settings;

use super::{DAY, HOUR, MINUTE};
use crate::throttle::Limits;
use crate::throttle::limit::Rate;

pub(super) fn read_throttle(settings: &mut Settings) -> Limits {
    Limits {
        account_address: read_rate(
            settings,
            "THROTTLE_ACCOUNT_ADDRESS",
            Rate { allowed: 5, window: 15 * MINUTE },
        ),
        account: read_rate(settings, "THROTTLE_ACCOUNT", Rate { allowed: 100, window: HOUR }),
        second_factor: read_rate(settings, "THROTTLE_SECOND_FACTOR", Rate { allowed: 30, window: 7 * DAY }),
        address: read_rate(settings, "THROTTLE_ADDRESS", Rate { allowed: 100, window: 15 * MINUTE }),
        registration: read_rate(settings, "THROTTLE_REGISTRATION", Rate { allowed: 20, window: HOUR }),
        mail: read_rate(settings, "THROTTLE_MAIL", Rate { allowed: 5, window: HOUR }),
    }
}

/// `off` is for development, where one address tries everything.
fn read_rate(settings: &mut Settings, name: &str, default: Rate) -> Option<Rate> {
    let text = settings.text(name);
    match text.as_deref() {
        None => Some(default),
        Some("off") if settings.mode().is_production() => {
            settings.problem(name, "may not be off in production; write it like 5/15m");
            None
        }
        Some("off") => None,
        Some(text) => match text.parse() {
            Ok(rate) => Some(rate),
            Err(error) => {
                settings.problem(name, error);
                None
            }
        },
    }
}
