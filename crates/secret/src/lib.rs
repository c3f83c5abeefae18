//! Values that must not leak into logs, and the one way in which key material is written in settings.
//!
//! Owns [`Secret`], whose `Debug` says nothing, and [`parse_key`]. Knows nothing of what a key is for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The least number of bytes that counts as a key anywhere in Portcullis (256 bits).
pub const KEY_BYTES: usize = 32;

/// A value that is shown by no formatter; whoever needs it says so with [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Do not log it, and do not put it into an error.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Why a text is no key. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither hexadecimal nor standard base64.
    #[error("is neither hex nor standard base64; make one with `openssl rand -base64 32`")]
    Encoding,
    /// It decodes, to fewer than [`KEY_BYTES`] bytes.
    #[error("holds {0} bytes, at least {KEY_BYTES} are needed; make one with `openssl rand -base64 32`")]
    TooShort(usize),
    /// It decodes to bytes that nobody drew at random: one value repeated, or a rising run.
    #[error("is a sample, not a random key; make one with `openssl rand -base64 32`")]
    Sample,
}

/// Reads key material from a setting.
///
/// All hex digits, an even number and at least 64 of them: hex. Anything else: standard base64 (RFC 4648
/// section 4), padding optional. White space around it is ignored.
///
/// # Errors
/// [`KeyError`] for text that is neither, for fewer than 32 bytes, and for bytes that are plainly a sample.
pub fn parse_key(text: &str) -> Result<Secret<Vec<u8>>, KeyError> {
    let text = text.trim();
    let bytes = if is_hex(text) { decode_hex(text) } else { decode_base64(text)? };
    if bytes.len() < KEY_BYTES {
        return Err(KeyError::TooShort(bytes.len()));
    }
    if is_sample(&bytes) {
        return Err(KeyError::Sample);
    }
    Ok(Secret::new(bytes))
}

fn is_hex(text: &str) -> bool {
    text.len() >= 2 * KEY_BYTES && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn decode_hex(text: &str) -> Vec<u8> {
    let digit = |b: u8| {
        if b.is_ascii_digit() { b - b'0' } else { (b | 0x20) - b'a' + 10 }
    };
    text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn decode_base64(text: &str) -> Result<Vec<u8>, KeyError> {
    let engine = if text.ends_with('=') { &STANDARD } else { &STANDARD_NO_PAD };
    engine.decode(text).map_err(|_| KeyError::Encoding)
}

/// `000…`, `aaaa…`, `0123…`: 32 random bytes have fewer than 8 distinct values, or one constant step, practically never.
fn is_sample(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for &byte in bytes {
        seen[usize::from(byte)] = true;
    }
    let distinct = seen.iter().filter(|&&seen| seen).count();
    let step = bytes[1].wrapping_sub(bytes[0]);
    distinct < 8 || bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM_HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn check(text: &str, expected: Result<usize, KeyError>) {
        assert_eq!(parse_key(text).map(|key| key.expose().len()), expected, "{text}");
    }

    #[test]
    fn keys_are_hex_or_base64_of_at_least_32_bytes() {
        check(RANDOM_HEX, Ok(32));
        check(&RANDOM_HEX.to_uppercase(), Ok(32));
        check(&format!(" {RANDOM_HEX}\n"), Ok(32));
        check("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", Ok(32));
        check("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg", Ok(32));
        check("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDw", Err(KeyError::TooShort(30)));
        check("", Err(KeyError::TooShort(0)));
        check("change me, please; this is a long sentence indeed", Err(KeyError::Encoding));
        check("n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg", Err(KeyError::Encoding));
    }

    #[test]
    fn samples_are_no_keys() {
        check(&"0".repeat(64), Err(KeyError::Sample));
        check(&"deadbeef".repeat(8), Err(KeyError::Sample));
        let rising: String = (0..32u8).map(|i| format!("{i:02x}")).collect();
        check(&rising, Err(KeyError::Sample));
    }

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }
}
