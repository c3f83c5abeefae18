//! Recovery codes: for whoever has lost the app. Ten, each good once.
//!
//! A code is 80 random bits, so its SHA-256 is as hard to invert as the code is to guess: 2^80 tries, for which a slow hash
//! would only slow us down. (A password needs one because people choose among few.) The account is hashed with it, so that
//! one table of hashes serves no two accounts. No key takes part, so `JWT_SECRET` may be replaced, and lost.

use std::fmt;

use aws_lc_rs::{digest, rand};

use super::authenticator::Unusable;
use crate::accounts::UserId;

/// How many there are.
pub const CODES: usize = 10;

const BYTES: usize = 10;
const CHARACTERS: usize = 16;
const GROUP: usize = 4;
/// Crockford's: nothing in it looks like something else in it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LABEL: &[u8] = b"portcullis/recovery-code/v1\0";

/// A recovery code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecoveryCode([u8; BYTES]);

/// What is stored of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryHash(pub [u8; 32]);

impl RecoveryCode {
    /// Draws a whole set.
    ///
    /// # Errors
    /// [`Unusable`] without randomness.
    pub fn draw() -> Result<[Self; CODES], Unusable> {
        let mut codes = [Self([0; BYTES]); CODES];
        for code in &mut codes {
            rand::fill(&mut code.0).map_err(|_| Unusable)?;
        }
        Ok(codes)
    }

    /// The code as it is shown, `XXXX-XXXX-XXXX-XXXX`.
    #[must_use]
    pub fn text(&self) -> String {
        let characters: Vec<_> = (0..CHARACTERS).map(|place| self.character(place)).collect();
        let groups: Vec<String> = characters.chunks(GROUP).map(|group| group.iter().collect()).collect();
        groups.join("-")
    }

    /// Reads a code, however it is grouped, in capitals or not, and with the letters that are easily mistaken.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits = 0_u128;
        let mut read = 0;
        for character in text.chars().filter(|character| !matches!(character, '-' | ' ')) {
            bits = bits << 5 | u128::from(value(character)?);
            read += 1;
            if read > CHARACTERS {
                return None;
            }
        }
        let bytes = bits.to_be_bytes();
        (read == CHARACTERS).then(|| bytes[bytes.len() - BYTES..].try_into().ok().map(Self)).flatten()
    }

    /// What is stored of it for this account.
    #[must_use]
    pub fn hash(&self, user: UserId) -> RecoveryHash {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [LABEL, user.0.as_bytes(), &self.0] {
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        RecoveryHash(hash)
    }

    fn character(&self, place: usize) -> char {
        let bits = self.0.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        let value = bits >> (5 * (CHARACTERS - 1 - place)) & 31;
        char::from(ALPHABET[usize::try_from(value).unwrap_or_default()])
    }
}

fn value(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = ALPHABET.iter().position(|known| char::from(*known) == character)?;
    u8::try_from(place).ok()
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[recovery code]")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODE: RecoveryCode = RecoveryCode([0x00, 0x44, 0x32, 0x14, 0xC7, 0x42, 0x54, 0xB6, 0x35, 0xCF]);

    #[test]
    fn a_code_is_read_as_people_write_it() {
        assert_eq!(CODE.text(), "0123-4567-89AB-CDEF");
        for text in
            ["0123456789ABCDEF", "o123 4567 89ab cdef", "OI23-4567-89AB-CDEF", " 0L2-3456-789A-BCDEF "]
        {
            assert_eq!(RecoveryCode::parse(text), Some(CODE), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_code() {
        for text in
            ["", "123456", "0123-4567-89AB-CDE", "0123-4567-89AB-CDEF0", "0123-4567-89AB-CDEU", "0123_4567"]
        {
            assert_eq!(RecoveryCode::parse(text), None, "{text}");
        }
        assert_eq!(RecoveryCode::parse(&"0".repeat(100_000)), None);
    }

    #[test]
    fn what_is_stored_depends_on_the_account() {
        let (ann, bob) = (UserId::generate(), UserId::generate());
        assert_eq!(CODE.hash(ann), CODE.hash(ann));
        assert_ne!(CODE.hash(ann), CODE.hash(bob));
        assert!(!format!("{CODE:?}").contains("0123"));
    }

    #[test]
    fn a_set_has_no_two_alike() {
        let codes = RecoveryCode::draw().unwrap();
        let texts: std::collections::HashSet<_> = codes.iter().map(RecoveryCode::text).collect();
        assert_eq!(texts.len(), CODES);
    }

    proptest! {
        #[test]
        fn every_code_is_read_back(bytes: [u8; BYTES]) {
            let code = RecoveryCode(bytes);
            prop_assert_eq!(RecoveryCode::parse(&code.text()), Some(code));
        }

        #[test]
        fn garbage_is_read_quietly(text in "\\PC{0,40}") {
            if let Some(code) = RecoveryCode::parse(&text) {
                prop_assert_eq!(code.text().len(), 19);
            }
        }
    }
}
