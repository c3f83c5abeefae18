//! Whether somebody is the client that they say they are.

use time::OffsetDateTime;

use super::client::Client;
use super::secret::SecretHash;

/// Compared with what is presented for a client that does not exist, so that this costs the same.
const NOBODYS: SecretHash = SecretHash([0; 32]);

/// Not that client: it does not exist, or the secret is not its own. Nobody is told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such client, or not its secret")]
pub struct NotTheClient;

/// By which of its secrets a client is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The one that it has.
    Current,
    /// The one before, which is good until then: nothing that is given for it outlives it.
    Previous(OffsetDateTime),
}

/// Decides at `now`, the database's time, as which the rest of the decision was read.
///
/// # Errors
/// [`NotTheClient`]
pub fn decide(
    client: Option<&Client>,
    presented: &SecretHash,
    now: OffsetDateTime,
) -> Result<By, NotTheClient> {
    let current = client.map_or(&NOBODYS, |client| &client.secret);
    let previous = client.and_then(|client| client.previous.as_ref());
    // Both are compared in any case.
    let is_current = current.matches(presented);
    let is_previous = previous.map_or(&NOBODYS, |(hash, _)| hash).matches(presented);
    match (client, previous) {
        (Some(_), _) if is_current => Ok(By::Current),
        (Some(_), Some((_, until))) if is_previous && now < *until => Ok(By::Previous(*until)),
        _ => Err(NotTheClient),
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::clients::Scopes;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-24 12:00 UTC);
    const OLD: SecretHash = SecretHash([1; 32]);
    const NEW: SecretHash = SecretHash([2; 32]);

    fn client(previous: Option<(SecretHash, OffsetDateTime)>) -> Client {
        let (id, scopes) = ("billing".parse().unwrap(), Scopes::stored(Vec::new()));
        Client { id, secret: NEW, previous, scopes, epoch: 0 }
    }

    #[test]
    fn the_secret_decides_and_the_one_before_only_for_its_time() {
        let until = NOW + Duration::SECOND;
        let (plain, overlap) = (client(None), client(Some((OLD, until))));
        let check = |client: Option<&Client>, presented: SecretHash, now, expected| {
            assert_eq!(decide(client, &presented, now), expected, "{client:?}");
        };
        check(Some(&plain), NEW, NOW, Ok(By::Current));
        check(Some(&plain), OLD, NOW, Err(NotTheClient));
        check(Some(&overlap), NEW, NOW, Ok(By::Current));
        check(Some(&overlap), OLD, NOW, Ok(By::Previous(until)));
        check(Some(&overlap), OLD, until, Err(NotTheClient));
        check(Some(&overlap), NEW, until, Ok(By::Current));
        for presented in [OLD, NEW, NOBODYS] {
            check(None, presented, NOW, Err(NotTheClient));
        }
        check(Some(&plain), NOBODYS, NOW, Err(NotTheClient));
    }
}
