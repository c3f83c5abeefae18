//! What a client may ask for: words that the services agree on, two of which this service understands itself.

use std::fmt;

/// Lets a client ask about tokens (RFC 7662).
pub const INTROSPECT: &str = "introspect";
/// Lets a client end the sessions of users (RFC 7009).
pub const REVOKE: &str = "revoke";

/// The most that a client can have.
const MOST: usize = 32;
/// The longest of them.
const LONGEST: usize = 64;

/// A set of scopes: sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

/// A scope that no client can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// Characters that RFC 6749 or common sense forbids.
    #[error("`{}` is no scope: 1 to {LONGEST} of A-Z, a-z, 0-9 and : . _ / -", .0.escape_debug())]
    Word(String),
    /// More than a token should carry.
    #[error("a client has at most {MOST} scopes")]
    TooMany,
}

/// Somebody asks for more than they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client does not have all of the scopes that it asks for")]
pub struct Exceeded;

impl Scopes {
    /// The scopes that an operator names.
    ///
    /// # Errors
    /// [`InvalidScope`]
    pub fn granted(words: impl IntoIterator<Item = String>) -> Result<Self, InvalidScope> {
        let mut words: Vec<String> = words.into_iter().collect();
        if let Some(wrong) = words.iter().find(|word| !is_scope(word)) {
            return Err(InvalidScope::Word(wrong.clone()));
        }
        words.sort_unstable();
        words.dedup();
        if words.len() > MOST { Err(InvalidScope::TooMany) } else { Ok(Self(words)) }
    }

    /// Those that are stored.
    #[must_use]
    pub const fn stored(words: Vec<String>) -> Self {
        Self(words)
    }

    /// What a request gets that asks for `wanted`, words between single spaces (RFC 6749, section 3.3); all of them if it asks for nothing.
    ///
    /// # Errors
    /// [`Exceeded`] if one of them is not the client's.
    pub fn narrowed(&self, wanted: Option<&str>) -> Result<Self, Exceeded> {
        let Some(wanted) = wanted else { return Ok(self.clone()) };
        let wanted: Vec<&str> = wanted.split(' ').collect();
        if wanted.iter().any(|word| !self.contains(word)) {
            return Err(Exceeded);
        }
        Ok(Self(self.0.iter().filter(|word| wanted.contains(&word.as_str())).cloned().collect()))
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.0.iter().any(|own| own == word)
    }

    /// The words.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// As a token or an answer spells them; `None` if there are none.
    #[must_use]
    pub fn claim(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.to_string())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

fn is_scope(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":._/-".contains(&byte);
    (1..=LONGEST).contains(&word.len()) && word.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(words: &[&str]) -> Result<Scopes, InvalidScope> {
        Scopes::granted(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn scopes_are_a_sorted_set_of_plain_words() {
        let scopes = granted(&["orders:read", "introspect", "orders:read"]).unwrap();
        assert_eq!(scopes.words(), ["introspect", "orders:read"]);
        assert_eq!(scopes.claim().as_deref(), Some("introspect orders:read"));
        assert_eq!(granted(&[]).unwrap().claim(), None);
        for wrong in ["", "a b", "a\"", "a\\", "a\u{7f}", "ä", "a,b", &"x".repeat(65)] {
            assert_eq!(granted(&["good", wrong]), Err(InvalidScope::Word(wrong.to_owned())));
        }
        let many: Vec<String> = (0..33).map(|number| format!("s{number}")).collect();
        assert_eq!(Scopes::granted(many), Err(InvalidScope::TooMany));
    }

    #[test]
    fn a_request_gets_what_it_asks_for_and_no_more_than_the_client_has() {
        let scopes = granted(&["a", "b", "c"]).unwrap();
        let check = |wanted: Option<&str>, expected: Result<&str, Exceeded>| {
            let got = scopes.narrowed(wanted).map(|scopes| scopes.to_string());
            assert_eq!(got, expected.map(str::to_owned), "{wanted:?}");
        };
        check(None, Ok("a b c"));
        check(Some("c a"), Ok("a c"));
        check(Some("b b"), Ok("b"));
        for wrong in ["", " ", "a  b", "a b ", " a", "d", "a d", "A", "a\tb", "*"] {
            check(Some(wrong), Err(Exceeded));
        }
    }
}
