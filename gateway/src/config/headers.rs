//! `request_headers` and `response_headers` of a route: names that may be ruled over, and values that may be sent.

use std::collections::HashSet;

use http::{HeaderName, HeaderValue};
use toml::Spanned;

use super::check::Complaints;
use super::{HeaderRules, file};

/// The rules of one direction; `None` where there are none. `may_change` says which names there can be a rule about.
pub(super) fn rules(
    text: &file::HeaderRules,
    may_change: fn(&HeaderName) -> bool,
    wrong: &mut Complaints<'_>,
) -> Option<HeaderRules> {
    let mut named = HashSet::new();
    let mut name = |text: &Spanned<String>, wrong: &mut Complaints<'_>| {
        let name = name(text, may_change, wrong)?;
        if !named.insert(name.clone()) {
            wrong.at(&text.span(), format_args!("{:?} is named twice", text.get_ref()));
        }
        Some(name)
    };
    let mut rules = HeaderRules::default();
    for text in &text.remove {
        rules.remove.extend(name(text, wrong));
    }
    for (key, text) in &text.set {
        rules.set.extend(name(key, wrong).zip(value(text, wrong)));
    }
    (rules != HeaderRules::default()).then_some(rules)
}

fn name(
    text: &Spanned<String>,
    may_change: fn(&HeaderName) -> bool,
    wrong: &mut Complaints<'_>,
) -> Option<HeaderName> {
    let Ok(name) = HeaderName::try_from(text.get_ref()) else {
        wrong.at(&text.span(), format_args!("{:?} is no name of a header", text.get_ref()));
        return None;
    };
    if !may_change(&name) {
        let message = "is the gateway's own to write or to remove: no route has a rule about it";
        wrong.at(&text.span(), format_args!("{:?} {message}", text.get_ref()));
    }
    Some(name)
}

/// Plain text, so that everybody reads the same. It may be a secret, and is not shown.
fn value(text: &Spanned<String>, wrong: &mut Complaints<'_>) -> Option<HeaderValue> {
    let said = text.get_ref();
    let is_plain = said.trim() == said && said.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let value = HeaderValue::try_from(said).ok().filter(|_| is_plain);
    let Some(mut value) = value else {
        let message = "is no value of a header: printable ASCII, without spaces around it";
        wrong.at(&text.span(), format_args!("this {message}"));
        return None;
    };
    value.set_sensitive(true);
    Some(value)
}
