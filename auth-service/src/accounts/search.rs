//! How somebody names an account, and how they look for those of which they know a part.

use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use super::email::{self, InvalidEmail};
use super::{Email, UserId};

/// One account, by its id or by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle {
    /// By its id.
    Id(UserId),
    /// By its address.
    Email(Email),
}

impl Handle {
    /// Reads either.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(UserId(id))),
            Err(_no_id) => Email::parse(text).map(Self::Email),
        }
    }
}

/// Which accounts are looked for. Each is a range of an index, so that a page costs a page however many match; the parts in the
/// middle of an address are not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// The one of this id.
    Id(UserId),
    /// Those whose address begins so.
    Address(String),
    /// Those whose domain begins so.
    Domain(String),
}

/// A text that is looked for nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("q must be an id, the beginning of an e-mail address, or @ and the beginning of its domain")]
pub struct InvalidSearch;

impl Search {
    /// Reads an id, the beginning of an address, or `@` and the beginning of a domain, spelt as addresses are stored.
    pub fn parse(text: &str) -> Result<Self, InvalidSearch> {
        let text: String = text.trim().nfc().collect::<String>().to_lowercase().nfc().collect();
        if text.is_empty() || text == "@" || text.len() > email::MAX_BYTES || text.contains('\0') {
            return Err(InvalidSearch);
        }
        if let Ok(id) = text.parse::<Uuid>() {
            return Ok(Self::Id(UserId(id)));
        }
        Ok(match text.strip_prefix('@') {
            Some(domain) => Self::Domain(domain.to_owned()),
            None => Self::Address(text),
        })
    }

    /// What follows everything that begins so, in the order of bytes: no character is above the last one.
    #[must_use]
    pub fn end(&self) -> String {
        match self {
            Self::Id(_) => String::new(),
            Self::Address(beginning) | Self::Domain(beginning) => format!("{beginning}{}", char::MAX),
        }
    }
}

/// Where a list goes on: after this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// In the order of the ids.
    Id(UserId),
    /// In the order of the addresses, or of their domains.
    Address(String),
}

impl Position {
    /// The position of an account in a list of what is looked for.
    #[must_use]
    pub fn of(search: Option<&Search>, id: UserId, address: &str) -> Self {
        match search {
            None | Some(Search::Id(_)) => Self::Id(id),
            Some(Search::Address(_) | Search::Domain(_)) => Self::Address(address.to_owned()),
        }
    }

    /// Reads what [`Position`] is written as, in the same list.
    #[must_use]
    pub fn read(search: Option<&Search>, text: &str) -> Option<Self> {
        match search {
            None | Some(Search::Id(_)) => text.parse().ok().map(|id| Self::Id(UserId(id))),
            Some(Search::Address(_) | Search::Domain(_)) => {
                (!text.contains('\0')).then(|| Self::Address(text.to_owned()))
            }
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Address(address) => formatter.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0199a1b2-0000-7000-8000-000000000001";

    #[test]
    fn each_way_to_look_is_told_apart() {
        let check = |text: &str, expected: Search| assert_eq!(Search::parse(text), Ok(expected), "{text:?}");
        check(" Ann", Search::Address("ann".to_owned()));
        check("ann@exam", Search::Address("ann@exam".to_owned()));
        check("e\u{301}va", Search::Address("\u{e9}va".to_owned()));
        check("@Exam", Search::Domain("exam".to_owned()));
        check(&ID.to_uppercase(), Search::Id(UserId(ID.parse().unwrap())));
        check("50%_\\", Search::Address("50%_\\".to_owned()));
        for wrong in ["", "  ", "@", "a\0", &"a".repeat(255)] {
            assert_eq!(Search::parse(wrong), Err(InvalidSearch), "{wrong:?}");
        }
    }

    #[test]
    fn a_beginning_ends_after_everything_that_begins_so() {
        let end = Search::Address("ann".to_owned()).end();
        for longer in ["ann", "ann@example.com", "ann\u{10fffd}x"] {
            assert!("ann" <= longer && longer < end.as_str(), "{longer:?}");
        }
        assert!("ano" > end.as_str());
    }

    #[test]
    fn a_position_is_read_back_in_the_same_list() {
        let (id, address) = (UserId(ID.parse().unwrap()), "ann@example.com");
        for search in [None, Some("ann"), Some("@example"), Some(ID)] {
            let search = search.map(|text| Search::parse(text).unwrap());
            let position = Position::of(search.as_ref(), id, address);
            assert_eq!(Position::read(search.as_ref(), &position.to_string()), Some(position));
        }
        assert_eq!(Position::read(None, address), None);
    }

    #[test]
    fn an_account_is_named_by_id_or_address() {
        assert_eq!(Handle::parse(ID), Ok(Handle::Id(UserId(ID.parse().unwrap()))));
        assert_eq!(
            Handle::parse(" Ann@Example.com"),
            Ok(Handle::Email(Email::parse("ann@example.com").unwrap()))
        );
        assert_eq!(Handle::parse("ann"), Err(InvalidEmail::NotAnAddress));
    }
}
