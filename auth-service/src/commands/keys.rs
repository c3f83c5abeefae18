//! `keys`: the signing keys, for whoever runs the service. No key material is ever printed.

use std::io::{Write as _, stdout};
use std::time::Duration;

use database::Database;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::KeysConfig;
use crate::db::notifications::Replica;
use crate::db::{notifications, second_factors, signing_keys};
use crate::tokens::SealedKey;
use crate::tokens::locksmith::{Changes, Locksmith, NotDone, StoredKeys};
use crate::tokens::rotation::{self, KeyLabel};

/// No client waits for a command.
const DEADLINE: Duration = Duration::from_secs(30);

/// Prints all keys, tab-separated.
///
/// # Errors
/// The database is away, or `JWT_SECRET` opens no key.
pub async fn list(config: &KeysConfig) -> anyhow::Result<()> {
    let stored = signing_keys::load(&open(config)?).await?;
    let labels = config.locksmith.open(&stored)?.labels();
    let mut out = stdout().lock();
    for key in &stored.keys {
        let KeyLabel { kid, algorithm, times } = &key.label;
        // Whoever wrote a row that does not open may have written anything.
        let kid = kid.escape_debug();
        let (algorithm, created, begins) =
            (algorithm.as_str(), rfc3339(times.created_at)?, rfc3339(times.begins())?);
        let (state, secret) = (state(key, &labels, stored.now), key.secret_id);
        writeln!(out, "{kid}\t{algorithm}\t{created}\t{begins}\t{state}\t{secret:?}")?;
    }
    Ok(())
}

/// Makes the next key, unless there is one, and prints its name and when it signs.
///
/// # Errors
/// The database is away, or `JWT_SECRET` opens no key.
pub async fn rotate(config: &KeysConfig) -> anyhow::Result<()> {
    let next = change(config, Locksmith::rotate).await?;
    writeln!(stdout(), "{} signs from {}", next.kid, rfc3339(next.times.begins())?)?;
    Ok(())
}

/// Takes a key away and prints which one signs now, if it was the one that signed.
///
/// # Errors
/// There is no such key, the database is away, or `JWT_SECRET` opens no key.
pub async fn revoke(config: &KeysConfig, kid: &str) -> anyhow::Result<()> {
    let revoked = change(config, |locksmith, stored| locksmith.revoke(stored, kid)).await?;
    // Lost, it costs a second: every replica also looks by itself.
    let _told = notifications::notify(&open(config)?, Replica::new()).await;
    let mut out = stdout().lock();
    writeln!(out, "{kid} is revoked")?;
    if let Some(kid) = revoked.signs_now {
        writeln!(out, "{kid} signs now")?;
    }
    Ok(())
}

/// Moves all keys, and the secrets of authenticator apps, to the current secret and prints how many moved. Those that do not
/// open stay, and make it fail.
///
/// # Errors
/// One does not open, or the database is away.
pub async fn reencrypt(config: &KeysConfig) -> anyhow::Result<()> {
    let keys = change(config, Locksmith::reencrypt).await?;
    writeln!(stdout(), "{} moved to the current JWT_SECRET", keys.moved)?;
    let factors = second_factors::reencrypt(&open(config)?, &config.factor_boxes).await?;
    writeln!(stdout(), "{} second factors moved to the current JWT_SECRET", factors.moved)?;
    let factors = factors.refused.iter().map(|user| format!("the second factor of {user}"));
    let refused: Vec<_> = keys.refused.into_iter().chain(factors).collect();
    anyhow::ensure!(
        refused.is_empty(),
        "neither JWT_SECRET nor JWT_SECRET_PREVIOUS opens {}",
        refused.join(", ")
    );
    Ok(())
}

async fn change<T: Send>(
    config: &KeysConfig,
    decide: impl FnOnce(&Locksmith, &StoredKeys) -> Result<Changes<T>, NotDone> + Send,
) -> anyhow::Result<T> {
    let decide = |stored: &StoredKeys| decide(&config.locksmith, stored);
    Ok(signing_keys::change(&open(config)?, decide).await??.outcome)
}

fn open(config: &KeysConfig) -> anyhow::Result<Database> {
    Ok(Database::new(&config.database.url, 1)?.with_deadline(DEADLINE))
}

/// A row that does not open is neither published nor used, whatever it says about its times.
fn state(key: &SealedKey, opened: &[KeyLabel], now: OffsetDateTime) -> &'static str {
    if opened.contains(&key.label) { rotation::state(&key.label, opened, now).as_str() } else { "refused" }
}

fn rfc3339(time: OffsetDateTime) -> Result<String, time::error::Format> {
    let seconds = time.replace_nanosecond(0).unwrap_or(time);
    seconds.format(&Rfc3339)
}
