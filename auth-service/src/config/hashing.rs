//! How passwords are hashed.

use std::time::Duration;

use process::Settings;

use super::{MINUTE, SECOND, duration_within};
use crate::accounts::hash_threads::HashThreadsOptions;
use crate::accounts::password_hash::Cost;

pub(super) fn read_hashing(settings: &mut Settings) -> HashThreadsOptions {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = settings.number("HASH_THREADS", cores.saturating_sub(1).max(1));
    if !(1..=256).contains(&threads) {
        settings.problem("HASH_THREADS", "must be between 1 and 256");
    }
    let deadline = duration_within(settings, "HASH_QUEUE_DEADLINE", 2 * SECOND, Duration::ZERO, MINUTE);
    HashThreadsOptions { threads, cost: read_cost(settings), deadline }
}

pub(super) fn read_cost(settings: &mut Settings) -> Cost {
    let number = settings.number("BCRYPT_COST", Cost::DEFAULT.get());
    let cost = Cost::new(number).unwrap_or_else(|| {
        let (least, most) = (Cost::LEAST.get(), Cost::MOST.get());
        settings.problem("BCRYPT_COST", format_args!("must be between {least} and {most}"));
        Cost::DEFAULT
    });
    if settings.mode().is_production() && cost < Cost::LEAST_IN_PRODUCTION {
        let least = Cost::LEAST_IN_PRODUCTION.get();
        settings.problem("BCRYPT_COST", format_args!("must be at least {least} in production"));
    }
    cost
}
