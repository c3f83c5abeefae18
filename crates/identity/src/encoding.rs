//! How a value travels in an identity header: bytes outside 0x21–0x7E, and `%`, percent-encoded.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

// CONTROLS has 0x00–0x1F and 0x7F; what is not ASCII is always encoded.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// A header value that no encoder of ours wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEncoding {
    /// A byte that should have been encoded.
    #[error("a byte outside 0x21-0x7E is not percent-encoded")]
    RawByte,
    /// A `%` without two hexadecimal digits after it.
    #[error("a % is not followed by two hexadecimal digits")]
    BrokenEscape,
    /// Escapes that make no UTF-8.
    #[error("the decoded bytes are not UTF-8")]
    NotUtf8,
}

/// Makes any text fit for an identity header. Borrows when there is nothing to encode.
#[must_use]
pub fn encode(plain: &str) -> Cow<'_, str> {
    utf8_percent_encode(plain, ENCODED).into()
}

/// The text that [`encode`] was given.
///
/// # Errors
/// When the value is not what [`encode`] writes for any text.
pub fn decode(encoded: &str) -> Result<Cow<'_, str>, InvalidEncoding> {
    let mut rest = encoded.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = match (byte, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            (b'%', _) => return Err(InvalidEncoding::BrokenEscape),
            (0x21..=0x7E, _) => tail,
            _ => return Err(InvalidEncoding::RawByte),
        };
    }
    percent_decode_str(encoded).decode_utf8().map_err(|_| InvalidEncoding::NotUtf8)
}
