//! The small notations of the file: durations, sizes, one-or-many, and places turned into line numbers.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

/// The line, counted from one, of a byte of the text.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

/// `90s`, `15m`, `7d`.
#[derive(Debug, Clone, Copy)]
pub(super) struct DurationText(pub(super) Duration);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            de::Error::custom(format!("{text:?} is no duration; write it like \"90s\", \"15m\" or \"7d\""))
        };
        process::parse_duration(&text).map(Self).ok_or_else(wrong)
    }
}

/// `512`, `"32KiB"`, `"100MiB"`, `"1GiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeText(pub(super) u64);

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = SizeText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"32KiB\", \"100MiB\", \"1GiB\" or a number of bytes")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<SizeText, E> {
        u64::try_from(value).map(SizeText).map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SizeText, E> {
        parse_size(text).map(SizeText).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A string, or a list of strings.
#[derive(Debug)]
pub(super) struct OneOrMany(pub(super) Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let either = Spanned::<Either>::deserialize(deserializer)?;
        let span = either.span();
        Ok(Self(match either.into_inner() {
            Either::One(text) => vec![Spanned::new(span, text)],
            Either::Many(texts) => texts,
        }))
    }
}

enum Either {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Either {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherVisitor)
    }
}

struct EitherVisitor;

impl<'de> Visitor<'de> for EitherVisitor {
    type Value = Either;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Either, E> {
        Ok(Either::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Either, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Either::Many(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text, expected| assert_eq!(parse_size(text), expected, "{text}");
        check("32KiB", Some(32_768));
        check("100MiB", Some(104_857_600));
        check("1GiB", Some(1 << 30));
        check("0", Some(0));
        check("7B", Some(7));
        for wrong in
            ["", "KiB", "1 KiB", "1kb", "1.5MiB", "-1", "18446744073709551615KiB", "99999999999999999999"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn lines_are_counted_from_one() {
        let text = "a\nb\r\n\nd";
        let check = |at, expected| assert_eq!(line_of(text, at), expected, "{at}");
        check(0, 1);
        check(2, 2);
        check(5, 3);
        check(6, 4);
        check(400, 4);
    }
}
