//! What a password may be. No composition rules: length, and not one that everybody tries first.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::Email;

/// The shortest password, in bytes.
pub const MIN_BYTES: usize = 12;
/// The longest, in bytes: bcrypt reads no further, so a longer one would be cut without a word.
pub const MAX_BYTES: usize = 72;

/// Long passwords that many people choose; shorter ones fall to [`MIN_BYTES`] anyway.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#')).collect()
});

/// Why a new password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedPassword {
    /// Too easily tried out.
    #[error("must be at least {MIN_BYTES} bytes long")]
    TooShort,
    /// Longer than what is hashed.
    #[error("may be at most {MAX_BYTES} bytes long")]
    TooLong,
    /// bcrypt would stop at the NUL.
    #[error("may not contain the NUL character")]
    Nul,
    /// Everybody's first guess.
    #[error("is one of the most common passwords")]
    Common,
    /// The next guess.
    #[error("is too similar to the e-mail address")]
    SimilarToEmail,
}

/// Decides whether `email`'s owner may choose `password`. Without an address (it was refused too) all else is still said.
pub fn check_new(password: &str, email: Option<&Email>) -> Result<(), RefusedPassword> {
    if password.contains('\0') {
        return Err(RefusedPassword::Nul);
    }
    if password.len() < MIN_BYTES {
        return Err(RefusedPassword::TooShort);
    }
    if password.len() > MAX_BYTES {
        return Err(RefusedPassword::TooLong);
    }
    let folded = password.to_lowercase();
    if COMMON.contains(folded.as_str()) || repeats_a_short_piece(&folded) || is_a_run(&folded) {
        return Err(RefusedPassword::Common);
    }
    if email.is_some_and(|email| is_similar_to(&folded, email)) {
        return Err(RefusedPassword::SimilarToEmail);
    }
    Ok(())
}

/// Whether a password could be anybody's. One that could not is not hashed as it stands at login: bcrypt would cut it at
/// 72 bytes, or at a NUL, and compare the rest.
#[must_use]
pub fn can_be_stored(password: &str) -> bool {
    password.len() <= MAX_BYTES && !password.contains('\0')
}

/// `abcabcabcabc`, `aaaaaaaaaaaa`.
fn repeats_a_short_piece(password: &str) -> bool {
    let bytes = password.as_bytes();
    (1..=4).any(|length| bytes.iter().zip(bytes.iter().skip(length)).all(|(one, next)| one == next))
}

/// `123456789012`, `abcdefghijkl`: each character follows the one before (the digits wrap round).
fn is_a_run(password: &str) -> bool {
    let follows = |one: u8, next: u8| next == one.wrapping_add(1) || (one == b'9' && next == b'0');
    let bytes = password.as_bytes();
    bytes.windows(2).all(|pair| follows(pair[0], pair[1]))
        || bytes.windows(2).all(|pair| follows(pair[1], pair[0]))
}

/// Whether little is left of the password once the pieces of the address are taken out of it.
fn is_similar_to(password: &str, email: &Email) -> bool {
    let mut rest = password.replace(email.as_str(), "");
    let pieces = [email.local_part(), email.domain()];
    let names =
        pieces.iter().flat_map(|piece| std::iter::once(*piece).chain(piece.split(['.', '-', '_', '+'])));
    for name in names.filter(|name| name.len() >= 4) {
        rest = rest.replace(name, "");
    }
    rest.len() < password.len() && rest.len() <= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str, expected: Result<(), RefusedPassword>) {
        let email = Email::parse("ann.watson@bakery-street.example").unwrap();
        assert_eq!(check_new(password, Some(&email)), expected, "{password:?}");
    }

    #[test]
    fn length_counts_in_bytes_from_12_to_72() {
        check("kettle-7-fog", Ok(()));
        check("kettle-7-fo", Err(RefusedPassword::TooShort));
        check(&"kettle7fog".repeat(8)[..72], Ok(()));
        check(&"kettle7fog".repeat(8)[..73], Err(RefusedPassword::TooLong));
        check("\u{e9}\u{e8}\u{ea}\u{eb}\u{e0}\u{f9}", Ok(()));
        check(&format!("{}x", "\u{e9}\u{e8}\u{ea}".repeat(12)), Err(RefusedPassword::TooLong));
    }

    #[test]
    fn nothing_is_asked_of_its_composition() {
        check("correct horse battery", Ok(()));
        check("        nine spaces", Ok(()));
    }

    #[test]
    fn a_nul_is_refused_wherever_it_stands() {
        check("kettle-7-fog\0", Err(RefusedPassword::Nul));
        check("\0", Err(RefusedPassword::Nul));
    }

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for common in [
            "password1234",
            "PasswordPassword",
            "qwertyuiop123",
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "123456789012",
            "987654321098",
        ] {
            check(common, Err(RefusedPassword::Common));
        }
    }

    #[test]
    fn the_address_in_other_clothes_is_refused() {
        for similar in
            ["ann.watson@bakery-street.example", "Ann.Watson1895", "watson-bakery-12", "bakery-street!"]
        {
            check(similar, Err(RefusedPassword::SimilarToEmail));
        }
        check("watson keeps nine bees", Ok(()));
    }

    #[test]
    fn the_list_holds_only_what_the_length_would_let_through() {
        for password in COMMON.iter() {
            assert!(password.len() >= MIN_BYTES && password.len() <= MAX_BYTES, "{password}");
            assert_eq!(**password, password.to_lowercase());
        }
        assert!(COMMON.len() > 100);
    }
}
