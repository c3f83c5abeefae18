//! Which browsers' origins may call: `[cors]`, and `cors` of a route, which is a table like it or `false`.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::check::Complaints;
use super::{Cors, file};

/// A route's own origins; none for `false`.
#[derive(Debug)]
pub(super) struct RouteCors(pub(super) file::Cors);

impl<'de> Deserialize<'de> for RouteCors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RouteCorsVisitor).map(Self)
    }
}

struct RouteCorsVisitor;

impl<'de> Visitor<'de> for RouteCorsVisitor {
    type Value = file::Cors;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ origins = […] } or false")
    }

    fn visit_bool<E: de::Error>(self, any: bool) -> Result<file::Cors, E> {
        if any { Err(E::invalid_value(de::Unexpected::Bool(any), &self)) } else { Ok(file::Cors::default()) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<file::Cors, A::Error> {
        file::Cors::deserialize(MapAccessDeserializer::new(map))
    }
}

pub(super) fn checked(cors: &file::Cors, wrong: &mut Complaints<'_>) -> Cors {
    for origin in cors.origins.iter().filter(|origin| !is_origin(origin.get_ref())) {
        let form = "scheme, lower-case host, port unless it is the scheme's own, and nothing after";
        let origin = (origin.span(), origin.get_ref());
        wrong.at(&origin.0, format_args!("{:?} is no origin; browsers write {form}", origin.1));
    }
    Cors { origins: cors.origins.iter().map(|origin| origin.get_ref().clone()).collect() }
}

/// Browsers send origins serialised (RFC 6454 section 6.2), so an entry of another form would match nothing.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let own_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]_".contains(&byte);
    let parsed = authority.parse::<http::uri::Authority>();
    parsed.is_ok()
        && authority.bytes().all(plain)
        && !authority.ends_with(own_port)
        && !authority.ends_with(':')
}
