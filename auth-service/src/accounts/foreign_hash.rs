//! A bcrypt hash that another system made: what has to be true of it before it is stored.

use std::str::FromStr;

use bcrypt::HashParts;
use secret::Secret;

use super::password_hash::{Cost, PasswordHash};

/// bcrypt's own alphabet of 64 characters, in its order.
const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Of the salt's last character only the upper two bits belong to the salt: these are the ones whose other bits are zero.
const CANONICAL: [char; 4] = ['.', 'O', 'e', 'u'];
/// Where that character stands: after `$2b$12$` and 21 others.
const LAST_OF_SALT: usize = 28;

/// Why a hash cannot be taken over. It never repeats the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHash {
    /// Something else, `$2x$` too: those were made by a bcrypt that ignored parts of passwords.
    #[error("is no bcrypt hash ($2a$, $2b$ or $2y$, a cost of two digits, and 60 characters in all)")]
    NotBcrypt,
    /// It would take too long to compare with, or bcrypt has no such cost.
    #[error("has cost {0}; from {least} to {most} are accepted", least = Cost::LEAST.get(), most = Cost::MOST.get())]
    Cost(u32),
    /// It cannot have come out of bcrypt as it is.
    #[error("is damaged: salt or digest is no base64 of bcrypt's")]
    Damaged,
}

/// The hash as it is stored, if passwords can be compared with it.
///
/// Some systems leave set in the salt's last character what belongs to no byte of it. It means nothing, and is cleared.
pub fn check(text: &str) -> Result<PasswordHash, InvalidHash> {
    let [b'$', b'2', b'a' | b'b' | b'y', b'$', tens, ones, b'$', rest @ ..] = text.as_bytes() else {
        return Err(InvalidHash::NotBcrypt);
    };
    if !(tens.is_ascii_digit() && ones.is_ascii_digit()) || text.len() != 60 {
        return Err(InvalidHash::NotBcrypt);
    }
    let cost = u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
    if Cost::new(cost).is_none() {
        return Err(InvalidHash::Cost(cost));
    }
    if !rest.iter().all(|byte| ALPHABET.contains(byte)) {
        return Err(InvalidHash::Damaged);
    }
    let text = canonical(text).ok_or(InvalidHash::Damaged)?;
    HashParts::from_str(&text).map_err(|_error| InvalidHash::Damaged)?;
    Ok(PasswordHash::stored(Secret::new(text)))
}

fn canonical(text: &str) -> Option<String> {
    let last = text.as_bytes().get(LAST_OF_SALT)?;
    let place = ALPHABET.iter().position(|character| character == last)?;
    let last = CANONICAL.get(place / 16)?;
    Some(format!("{}{last}{}", text.get(..LAST_OF_SALT)?, text.get(LAST_OF_SALT + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::super::password_hash::{Verdict, compare};
    use super::*;

    /// Made by Python's bcrypt 5.0.
    const PYTHON: &str = "$2b$04$yHmHsnEShGQZ0b5WVR9zj.nLs7/Q7VP0jrWYGzDCEzvtEwDkSUKxa";
    const PASSWORD: &str = "kettle-7-fog-lamp";

    #[test]
    fn a_hash_is_taken_as_it_is() {
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let text = PYTHON.replacen("$2b$", prefix, 1);
            assert_eq!(check(&text).unwrap().secret().expose(), &text);
        }
    }

    #[test]
    fn what_cannot_be_compared_with_is_refused() {
        let check_refused = |text: &str, expected| assert_eq!(check(text), Err(expected), "{text:?}");
        let changed = |from: &str, to: &str| PYTHON.replacen(from, to, 1);
        for wrong in ["", "!", "$2b$", "secret", "$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$aGFzaA"] {
            check_refused(wrong, InvalidHash::NotBcrypt);
        }
        for wrong in ["$2x$", "$2$", "$2z$", "$1$"] {
            check_refused(&changed("$2b$", wrong), InvalidHash::NotBcrypt);
        }
        for wrong in ["$+4$", "$4$", "$ 4$", "$004$", "$0x$"] {
            check_refused(&changed("$04$", wrong), InvalidHash::NotBcrypt);
        }
        check_refused(&PYTHON[..59], InvalidHash::NotBcrypt);
        check_refused(&format!("{PYTHON}a"), InvalidHash::NotBcrypt);
        check_refused(&changed("yHmH", "y-mH"), InvalidHash::Damaged);
        check_refused(&changed("yHmH", "y\u{e9}H"), InvalidHash::Damaged);
        // The digest's last character holds two bits that are none of it.
        check_refused(&changed("UKxa", "UKxb"), InvalidHash::Damaged);
        for cost in [0, 3, 17, 31, 99] {
            check_refused(&changed("$04$", &format!("${cost:02}$")), InvalidHash::Cost(cost));
        }
        assert!(check(&changed("$04$", "$16$")).is_ok());
    }

    #[test]
    fn stray_bits_of_a_salt_are_cleared_and_the_password_still_fits() {
        assert_eq!(&PYTHON[LAST_OF_SALT..=LAST_OF_SALT], ".");
        for stray in ["/", "A", "N"] {
            let text = format!("{}{stray}{}", &PYTHON[..LAST_OF_SALT], &PYTHON[LAST_OF_SALT + 1..]);
            let taken = check(&text).unwrap();
            assert_eq!(taken.secret().expose(), PYTHON);
            let verdict = compare(PASSWORD, Some(&taken), Cost::LEAST).unwrap();
            assert_eq!(verdict, Verdict::Correct { rehashed: None });
        }
    }
}
