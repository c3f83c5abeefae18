//! `Idempotency-Key`: the same request sent again must not place a second order.

use crate::orders::Order;
use crate::orders::place::Placement;

const MAX_LENGTH: usize = 255;

/// A customer's own name for one attempt to place an order. Keys of two customers never meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// The key has the wrong form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an Idempotency-Key is sent once and has 1 to {MAX_LENGTH} visible ASCII characters")]
pub struct InvalidKey;

/// The key was used for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this Idempotency-Key was used for another order")]
pub struct KeyReused;

impl IdempotencyKey {
    /// Reads a key as it was sent.
    ///
    /// # Errors
    /// [`InvalidKey`]
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let fits = (1..=MAX_LENGTH).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        if fits { Ok(Self(bytes.iter().copied().map(char::from).collect())) } else { Err(InvalidKey) }
    }

    /// The key as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The answer to a request whose key has an order already: that order as it was placed, if it is the same request.
///
/// # Errors
/// It asks for something else.
pub fn answer_again(before: Order, placement: &Placement) -> Result<Order, KeyReused> {
    let same = before.currency == placement.currency && before.items == placement.items;
    if same { Ok(before.as_placed()) } else { Err(KeyReused) }
}

#[cfg(test)]
mod tests {
    use super::{IdempotencyKey, InvalidKey};

    #[test]
    fn a_key_is_visible_ascii() {
        for good in ["a", "!~", "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good.as_bytes()).unwrap().as_str(), good);
        }
        for wrong in ["", "a b", " a", "a\t", "é", "a\u{7f}", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(wrong.as_bytes()), Err(InvalidKey), "{wrong}");
        }
    }
}
