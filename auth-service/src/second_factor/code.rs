//! What somebody types when they are asked for a second factor.

use std::fmt;

use super::recovery_code::RecoveryCode;

/// A code, by its form. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub enum Code {
    /// Six digits: of an authenticator app.
    Digits(String),
    /// One of the recovery codes.
    Recovery(RecoveryCode),
    /// Neither: wrong without a look at anything.
    Garbled,
}

impl Code {
    /// Reads what was typed; apps show `123 456`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // No good code is longer, and nobody shall make us look at more.
        if text.len() > 64 {
            return Self::Garbled;
        }
        let digits: String = text.chars().filter(|character| !matches!(character, ' ' | '-')).collect();
        if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Digits(digits);
        }
        RecoveryCode::parse(text).map_or(Self::Garbled, Self::Recovery)
    }

    /// The digits, if it is of an app.
    #[must_use]
    pub fn digits(&self) -> Option<&str> {
        match self {
            Self::Digits(digits) => Some(digits),
            Self::Recovery(_) | Self::Garbled => None,
        }
    }

    /// The recovery code, if it is one.
    #[must_use]
    pub const fn recovery(&self) -> Option<&RecoveryCode> {
        match self {
            Self::Recovery(code) => Some(code),
            Self::Digits(_) | Self::Garbled => None,
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Digits(_) => "[digits]",
            Self::Recovery(_) => "[recovery code]",
            Self::Garbled => "[garbled]",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_by_its_form() {
        for text in ["123456", "123 456", " 123456 ", "123-456"] {
            assert_eq!(Code::parse(text), Code::Digits("123456".to_owned()), "{text:?}");
        }
        assert!(Code::parse("0123-4567-89ab-cdef").recovery().is_some());
        for text in ["", "12345", "1234567", "１２３４５６", "12345x", "\u{0}23456"] {
            assert_eq!(Code::parse(text), Code::Garbled, "{text:?}");
        }
        assert_eq!(Code::parse(&" ".repeat(65)), Code::Garbled);
        assert_eq!(format!("{:?}", Code::parse("123456")), "[digits]");
    }
}
