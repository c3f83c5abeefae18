//! base64url as RFC 7515 section 2 has it: no padding, no stray bits, nothing between the characters.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `None` for every text that is not the one encoding of its bytes.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_encoding_is_read() {
        assert_eq!(decode("-_8"), Some(vec![0xfb, 0xff]));
        assert_eq!(decode(""), Some(vec![]));
        for wrong in ["-_8=", "+/8", "-_9", "-_ 8", "-_8\n", "a", "é"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }
}
