//! JSON whose objects name no member twice, at any depth (RFC 7519 section 4 lets a verifier refuse the others).
//!
//! Two parsers that disagree about which of two members counts are the bug that this closes.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};

/// Parses an object; `None` for anything else, for a duplicate member, and for what `T` refuses.
pub(crate) fn parse<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    if json.first() != Some(&b'{') {
        return None;
    }
    serde_json::from_slice::<Unique>(json).ok()?;
    serde_json::from_slice(json).ok()
}

/// Any JSON value, looked through and not kept.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Unique)) = members.next_entry::<String, Unique>()? {
            if !names.insert(name) {
                return Err(de::Error::custom("a member is named twice"));
            }
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_refused_at_any_depth_and_however_written() {
        let check = |json: &str, good: bool| {
            assert_eq!(parse::<serde_json::Value>(json.as_bytes()).is_some(), good, "{json}");
        };
        check(r#"{"a":1,"b":[1,2.5,true,null,"x",{"a":-1}]}"#, true);
        check(r#"{"a":1,"a":1}"#, false);
        check(r#"{"a":1,"\u0061":1}"#, false);
        check(r#"{"x":[{"y":{"a":1,"a":2}}]}"#, false);
        check(r#"[{"a":1}]"#, false);
        check(r#" {"a":1}"#, false);
        check(r#"{"a":1}{"#, false);
        check(r#"{"a":1"#, false);
        check("", false);
    }
}
