//! An e-mail address: how it is normalised, so that one person has one account, and what is refused.
//!
//! The check is deliberately shallow. Whether an address exists is known only once a message to it was answered.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// The longest address SMTP can deliver to (RFC 5321, 4.5.3.1.3 less the angle brackets).
pub const MAX_BYTES: usize = 254;

/// A normalised address: trimmed, NFC, lower case. `Debug` hides it: logs never show who.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Normalises and checks an address.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        // Lower-casing can leave a decomposed pair behind (`İ`), so NFC runs on its result too.
        let normalised: String = text.trim().nfc().collect::<String>().to_lowercase().nfc().collect();
        check(&normalised)?;
        Ok(Self(normalised))
    }

    /// The normalised address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the last `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }

    /// The part after the last `@`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[e-mail]")
    }
}

/// Why a text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// Nothing was given.
    #[error("is needed")]
    Missing,
    /// Longer than mail can carry.
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// It has a space, a control character or one that nobody sees in it.
    #[error("may not contain spaces, control characters or invisible ones")]
    ForbiddenCharacter,
    /// It does not look like `name@domain`.
    #[error("must look like name@example.com")]
    NotAnAddress,
}

fn check(address: &str) -> Result<(), InvalidEmail> {
    if address.is_empty() {
        return Err(InvalidEmail::Missing);
    }
    if address.len() > MAX_BYTES {
        return Err(InvalidEmail::TooLong);
    }
    if address.chars().any(is_forbidden) {
        return Err(InvalidEmail::ForbiddenCharacter);
    }
    match address.split_once('@') {
        Some((local, domain)) if !local.is_empty() && is_domain(domain) => Ok(()),
        Some(_) | None => Err(InvalidEmail::NotAnAddress),
    }
}

fn is_forbidden(character: char) -> bool {
    character.is_whitespace() || character.is_control() || is_invisible(character)
}

/// What shows nothing or turns round what stands beside it, so that an address looks like somebody else's: the default
/// ignorable code points (Unicode 16, DerivedCoreProperties).
const fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_domain(domain: &str) -> bool {
    !domain.is_empty()
        && !domain.contains('@')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_normalised(text: &str, expected: &str) {
        assert_eq!(Email::parse(text).unwrap().as_str(), expected, "{text:?}");
    }

    fn check_refused(text: &str, expected: InvalidEmail) {
        assert_eq!(Email::parse(text).unwrap_err(), expected, "{text:?}");
    }

    #[test]
    fn one_person_writes_an_address_in_several_ways() {
        check_normalised("ann@example.com", "ann@example.com");
        check_normalised("  Ann@Example.COM\t", "ann@example.com");
        check_normalised("e\u{301}va@example.com", "\u{e9}va@example.com");
        check_normalised("E\u{301}VA@example.com", "\u{e9}va@example.com");
        check_normalised("ann+shop@localhost", "ann+shop@localhost");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        check_refused("", InvalidEmail::Missing);
        check_refused("   ", InvalidEmail::Missing);
        check_refused("ann", InvalidEmail::NotAnAddress);
        check_refused("@example.com", InvalidEmail::NotAnAddress);
        check_refused("ann@", InvalidEmail::NotAnAddress);
        check_refused("ann@bob@example.com", InvalidEmail::NotAnAddress);
        check_refused("ann@example..com", InvalidEmail::NotAnAddress);
        check_refused("ann@-example.com", InvalidEmail::NotAnAddress);
        check_refused("ann smith@example.com", InvalidEmail::ForbiddenCharacter);
        check_refused("ann\0@example.com", InvalidEmail::ForbiddenCharacter);
        check_refused("ann@example.com\nbcc:x@example.com", InvalidEmail::ForbiddenCharacter);
        check_refused("ann\u{200b}@example.com", InvalidEmail::ForbiddenCharacter);
        check_refused("a\u{200d}nn@example.com", InvalidEmail::ForbiddenCharacter);
        check_refused("\u{202e}nna@example.com", InvalidEmail::ForbiddenCharacter);
        check_refused("ann@exam\u{ad}ple.com", InvalidEmail::ForbiddenCharacter);
        check_refused(&format!("{}@example.com", "a".repeat(250)), InvalidEmail::TooLong);
    }

    #[test]
    fn debug_output_hides_the_address() {
        assert_eq!(format!("{:?}", Email::parse("ann@example.com").unwrap()), "[e-mail]");
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in "\\PC{1,20}@\\PC{1,20}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()).unwrap(), email);
            }
        }
    }
}
