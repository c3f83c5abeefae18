//! Hashing and checking passwords with bcrypt, so that every failed attempt costs the same.
//!
//! Everything here is slow on purpose and runs on [`super::hash_threads`], never on the runtime.

use std::str::FromStr;

use bcrypt::{BcryptError, HashParts};
use secret::Secret;

use super::password;

/// How much work a hash is: each step doubles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(u32);

impl Cost {
    /// The least that bcrypt knows; for tests and development.
    pub const LEAST: Self = Self(4);
    /// The least that production accepts.
    pub const LEAST_IN_PRODUCTION: Self = Self(10);
    /// What is used when nothing else is said: a quarter of a second.
    pub const DEFAULT: Self = Self(12);
    /// The most that makes sense: four seconds, of the ten that a request may take.
    pub const MOST: Self = Self(16);

    /// `cost`, if it is between [`Cost::LEAST`] and [`Cost::MOST`].
    #[must_use]
    pub fn new(cost: u32) -> Option<Self> {
        (Self::LEAST.0..=Self::MOST.0).contains(&cost).then_some(Self(cost))
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

/// What is stored where there is no password yet. It is nobody's hash, so no password fits it; a reset puts one in its place.
const NO_PASSWORD: &str = "!";

/// A password's hash as it is stored (`$2b$…`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash(Secret<String>);

impl PasswordHash {
    /// A hash read back from where it was stored. It is looked at only when a password is compared with it.
    #[must_use]
    pub const fn stored(text: Secret<String>) -> Self {
        Self(text)
    }

    /// What is stored for an account whose owner has to choose a password first.
    #[must_use]
    pub fn missing() -> Self {
        Self::stored(Secret::new(NO_PASSWORD.to_owned()))
    }

    /// Whether the owner of the account has to choose a password first.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.text() == NO_PASSWORD
    }

    /// Hashes a password that [`password::check_new`] let through.
    pub fn of(password: &str, cost: Cost) -> Result<Self, HashingFailed> {
        Ok(Self(Secret::new(bcrypt::hash(password, cost.0)?)))
    }

    /// The text to store.
    #[must_use]
    pub const fn secret(&self) -> &Secret<String> {
        &self.0
    }

    fn text(&self) -> &str {
        self.0.expose()
    }

    /// What comparing with it costs; `None` if that cannot be done, and nobody can log in with it.
    fn cost(&self) -> Option<Cost> {
        let parts = HashParts::from_str(self.text()).ok();
        let cost = parts.and_then(|parts| Cost::new(parts.get_cost()));
        if cost.is_none() && !self.is_missing() {
            tracing::error!("a stored password hash is no bcrypt hash of an acceptable cost");
        }
        cost
    }
}

/// What comparing a password with an account's hash said.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Correct {
        /// The same password under today's cost, when the stored hash was cheaper.
        rehashed: Option<PasswordHash>,
    },
    /// It is not, or there is nothing to compare it with.
    Wrong,
}

/// bcrypt could not do its work: the system has no randomness.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed or compared")]
pub struct HashingFailed(#[from] BcryptError);

/// Compares `password` with the hash of the account it is meant for; `None` when there is no such account.
///
/// Whatever the reason of a refusal, it takes the work of one hash at `cost`: the time says nothing about who exists.
pub fn compare(password: &str, stored: Option<&PasswordHash>, cost: Cost) -> Result<Verdict, HashingFailed> {
    let Some((stored, spent)) = stored.and_then(|stored| Some((stored, stored.cost()?))) else {
        spend(password, cost)?;
        return Ok(Verdict::Wrong);
    };
    let matches = bcrypt::verify(password, stored.text())?;
    // bcrypt reads 72 bytes, so a 73rd would pass unseen.
    if !(matches && password::can_be_stored(password)) {
        pad(password, spent, cost)?;
        return Ok(Verdict::Wrong);
    }
    let rehashed = (spent < cost).then(|| PasswordHash::of(password, cost)).transpose()?;
    Ok(Verdict::Correct { rehashed })
}

/// Adds to a comparison at `spent` what one at `cost` would have taken: 2ᶜ − 2ˢ is the sum of 2ˢ … 2ᶜ⁻¹.
fn pad(password: &str, spent: Cost, cost: Cost) -> Result<(), HashingFailed> {
    (spent.0..cost.0).try_for_each(|step| spend(password, Cost(step)))
}

fn spend(password: &str, cost: Cost) -> Result<(), HashingFailed> {
    let parts = bcrypt::hash_with_salt(password, cost.0, [0; 16])?;
    // Keeps the optimiser from dropping work whose result nobody reads.
    std::hint::black_box(parts);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const COST: Cost = Cost(5);

    fn hash_of(password: &str, cost: u32) -> PasswordHash {
        PasswordHash::of(password, Cost(cost)).unwrap()
    }

    #[test]
    fn the_right_password_is_correct_and_any_other_wrong() {
        let stored = hash_of("kettle-7-fog", 5);
        assert_eq!(
            compare("kettle-7-fog", Some(&stored), COST).unwrap(),
            Verdict::Correct { rehashed: None }
        );
        for wrong in ["kettle-7-foh", "Kettle-7-fog", "", "kettle-7-fog\0"] {
            assert_eq!(compare(wrong, Some(&stored), COST).unwrap(), Verdict::Wrong, "{wrong:?}");
        }
        assert_eq!(compare("kettle-7-fog", None, COST).unwrap(), Verdict::Wrong);
    }

    #[test]
    fn a_seventy_third_byte_is_not_overlooked() {
        let longest = "x".repeat(72);
        let stored = hash_of(&longest, 5);
        assert!(matches!(compare(&longest, Some(&stored), COST).unwrap(), Verdict::Correct { .. }));
        assert_eq!(compare(&format!("{longest}y"), Some(&stored), COST).unwrap(), Verdict::Wrong);
    }

    #[test]
    fn a_cheaper_hash_is_replaced_and_a_costlier_one_kept() {
        let Verdict::Correct { rehashed: Some(rehashed) } =
            compare("kettle-7-fog", Some(&hash_of("kettle-7-fog", 4)), COST).unwrap()
        else {
            panic!("the hash was not replaced");
        };
        assert_eq!(HashParts::from_str(rehashed.text()).unwrap().get_cost(), 5);
        assert!(bcrypt::verify("kettle-7-fog", rehashed.text()).unwrap());
        let costlier = compare("kettle-7-fog", Some(&hash_of("kettle-7-fog", 6)), COST).unwrap();
        assert_eq!(costlier, Verdict::Correct { rehashed: None });
    }

    #[test]
    fn hashes_of_other_makers_are_understood() {
        let theirs = hash_of("kettle-7-fog", 5).text().replacen("$2b$", "$2y$", 1);
        assert!(matches!(
            compare("kettle-7-fog", Some(&PasswordHash::stored(Secret::new(theirs))), COST).unwrap(),
            Verdict::Correct { .. }
        ));
    }

    #[test]
    fn no_password_fits_a_damaged_hash() {
        let too_costly = hash_of("kettle-7-fog", 5).text().replacen("$05$", "$31$", 1);
        for damaged in ["", NO_PASSWORD, "plain", "$2b$05$short", &too_costly] {
            let damaged = PasswordHash::stored(Secret::new(damaged.to_owned()));
            assert_eq!(compare("kettle-7-fog", Some(&damaged), COST).unwrap(), Verdict::Wrong);
        }
        assert_eq!(compare(NO_PASSWORD, Some(&PasswordHash::missing()), COST).unwrap(), Verdict::Wrong);
    }

    /// The least of several runs: what the work takes when nothing else disturbs.
    fn least_time(mut work: impl FnMut()) -> Duration {
        let timed = (0..5).map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        });
        timed.min().unwrap_or_default()
    }

    #[test]
    fn refusals_take_the_same_work() {
        let cost = Cost(9);
        let imported = hash_of("kettle-7-fog", 5);
        let own = hash_of("kettle-7-fog", 9);
        let unknown = least_time(|| drop(compare("another-guess", None, cost)));
        for stored in [&imported, &own, &PasswordHash::missing()] {
            let known = least_time(|| drop(compare("another-guess", Some(stored), cost)));
            let ratio = known.as_secs_f64() / unknown.as_secs_f64();
            assert!((0.5..2.0).contains(&ratio), "{known:?} against {unknown:?}");
        }
    }

    #[test]
    fn costs_outside_the_scale_are_refused() {
        assert_eq!(Cost::new(3), None);
        assert_eq!(Cost::new(4), Some(Cost::LEAST));
        assert_eq!(Cost::new(17), None);
    }
}
