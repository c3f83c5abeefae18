//! Fresh request ids: cheap, unique over all cores and processes, and of the form that the contract allows.

use std::cell::Cell;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use bytes::Bytes;
use http::HeaderValue;

/// Crockford's base 32: five bits a digit, nothing that looks alike.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const PREFIX: usize = 16;
const LENGTH: usize = PREFIX + 9;

/// The ids of one core. A random prefix of 80 bits tells cores, processes and machines apart; a counter tells
/// requests apart. They are names, not secrets: whoever has seen one can guess the next.
#[derive(Debug)]
pub struct RequestIds {
    prefix: [u8; PREFIX],
    next: Cell<u64>,
}

impl RequestIds {
    /// Draws the prefix.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new() -> Result<Self, Unspecified> {
        let mut prefix = [0; PREFIX];
        rand::fill(&mut prefix)?;
        let prefix = prefix.map(|byte| ALPHABET[usize::from(byte % 32)]);
        Ok(Self { prefix, next: Cell::new(0) })
    }

    /// The next one.
    pub fn next(&self) -> HeaderValue {
        let number = self.next.replace(self.next.get().wrapping_add(1));
        let mut id = [b'-'; LENGTH];
        id[..PREFIX].copy_from_slice(&self.prefix);
        for (place, byte) in id[PREFIX + 1..].iter_mut().rev().enumerate() {
            *byte = ALPHABET[usize::from(((number >> (5 * place)) & 31) as u8)];
        }
        // The alphabet is visible ASCII, which every header may hold.
        HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&id))
            .unwrap_or(const { HeaderValue::from_static("0") })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_plain_short_and_never_the_same() {
        let (one, other) = (RequestIds::new().unwrap(), RequestIds::new().unwrap());
        let ids: HashSet<_> = (0..2000).flat_map(|_| [one.next(), other.next()]).collect();
        assert_eq!(ids.len(), 4000);
        for id in ids {
            assert!(
                id.len() <= 64
                    && id.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            );
        }
    }
}
