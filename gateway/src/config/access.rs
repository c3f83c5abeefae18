//! `access` of a route: a word, or a table that names roles or clients.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::Access;

/// [`Access`] as written.
#[derive(Debug)]
pub(super) struct AccessText(pub(super) Access);

impl<'de> Deserialize<'de> for AccessText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AccessVisitor).map(Self)
    }
}

struct AccessVisitor;

impl<'de> Visitor<'de> for AccessVisitor {
    type Value = Access;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"public\", \"optional\", \"authenticated\", { roles = […] } or { clients = […] }")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Access, E> {
        match word {
            "public" => Ok(Access::Public),
            "optional" => Ok(Access::Optional),
            "authenticated" => Ok(Access::Authenticated),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Access, A::Error> {
        let wrong = || de::Error::invalid_value(de::Unexpected::Map, &self);
        let key = map.next_key::<String>()?.ok_or_else(wrong)?;
        let names: Vec<String> = map.next_value()?;
        let alone = map.next_key::<String>()?.is_none();
        let each = |is_one: fn(&str) -> bool| !names.is_empty() && names.iter().all(|name| is_one(name));
        match key.as_str() {
            "roles" if alone && each(is_name) => Ok(Access::Roles(names)),
            // What no client can be called nobody can be let in as: the frontend least of all.
            "clients" if alone && each(access_token::is_client_id) => Ok(Access::Clients(names)),
            _ => Err(wrong()),
        }
    }
}

/// Roles are quoted in error messages and headers, so they are plain.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
}
