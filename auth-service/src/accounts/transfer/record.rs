//! One account as a line of JSON has it: the same for those that come and those that leave, so that what is written can be read.

use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::RefusedLine;

/// Words of a refusal that come from the line itself are cut here.
const LONGEST_NAME: usize = 64;

/// A line, taken apart and not yet checked.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Record {
    /// A UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The address. The only one that has to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A bcrypt hash. Without it the account has no password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
    /// `USER` or `ADMIN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// `active` or `disabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When it was made (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Since when its address is verified (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified_at: Option<String>,
    /// Whether it is, for who does not know since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Whether it is one for demonstrations, with a password that is no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demo: Option<bool>,
    /// Whether it had a second factor where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<bool>,
}

impl Record {
    /// Takes a line apart.
    pub fn read(line: &[u8]) -> Result<Self, RefusedLine> {
        let line = std::str::from_utf8(line).map_err(|_error| RefusedLine::NotUtf8)?;
        // A list of values would do for the parser.
        if !line.trim_start().starts_with('{') {
            return Err(RefusedLine::NotJson(1));
        }
        serde_json::from_str(line).map_err(|error| refusal(&error))
    }

    /// Writes it as a line, without its end.
    ///
    /// # Errors
    /// None that is known: everything in it is text or a truth value.
    pub fn write(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// The parser repeats values in what it says, and one may be a hash that stands in the wrong place. It repeats names too, and
/// those are what has to be known.
fn refusal(error: &serde_json::Error) -> RefusedLine {
    if error.classify() != Category::Data {
        return RefusedLine::NotJson(error.column());
    }
    let message = error.to_string();
    let named = |kind: &str| message.strip_prefix(kind)?.split('`').nth(1).map(cut);
    if let Some(name) = named("unknown field ") {
        RefusedLine::UnknownField(name)
    } else if let Some(name) = named("duplicate field ") {
        RefusedLine::RepeatedField(name)
    } else {
        RefusedLine::WrongType(error.column())
    }
}

fn cut(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> RefusedLine {
        Record::read(line.as_bytes()).err().unwrap_or_else(|| panic!("{line} was read"))
    }

    #[test]
    fn a_line_is_one_object_with_names_that_are_known() {
        assert!(Record::read(b" {\"email\":\"ann@example.com\",\"role\":null}\r").is_ok());
        for line in ["", "{", "{\"email\":}", "{} {}", "{\"email\":\"a\"} x"] {
            assert!(matches!(refused(line), RefusedLine::NotJson(_)), "{line}");
        }
        for line in ["[]", "[\"id\",\"ann@example.com\"]", "null", "\"ann@example.com\"", "\u{feff}{}"] {
            assert_eq!(refused(line), RefusedLine::NotJson(1), "{line}");
        }
        assert_eq!(refused("{\"e-mail\":\"a\"}"), RefusedLine::UnknownField("e-mail".to_owned()));
        assert_eq!(refused("{\"Email\":\"a\"}"), RefusedLine::UnknownField("Email".to_owned()));
        let twice = refused("{\"email\":\"a\",\"email\":\"b\"}");
        assert_eq!(twice, RefusedLine::RepeatedField("email".to_owned()));
        assert_eq!(Record::read(b"{\"email\":\"\xff\"}").err(), Some(RefusedLine::NotUtf8));
    }

    #[test]
    fn what_is_said_of_a_line_repeats_none_of_its_values() {
        let hash = "$2b$04$yHmHsnEShGQZ0b5WVR9zj.nLs7/Q7VP0jrWYGzDCEzvtEwDkSUKxa";
        for line in [
            format!("{{\"emailVerified\":\"{hash}\"}}"),
            format!("{{\"email\":{{\"{hash}\":1}}}}"),
            format!("{{\"email\":\"a\" \"{hash}\"}}"),
        ] {
            let said = refused(&line).to_string();
            assert!(said.contains("column") && !said.contains("$2b$"), "{said}");
        }
        let endless = refused(&format!("{{\"{}\":1}}", "x".repeat(60_000)));
        assert_eq!(endless, RefusedLine::UnknownField("x".repeat(LONGEST_NAME)));
    }
}
