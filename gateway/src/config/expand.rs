//! `${NAME}` inside the strings of a parsed file: replaced by the environment, never parsed again.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in the text and what is wrong there.
pub(super) type Missing = (usize, String);

/// Replaces `${NAME}` in every string value of the table; keys are left as they are. Answers what cannot be replaced.
pub(super) fn strings(table: &mut DeTable<'_>, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<Missing> {
    let mut missing = Vec::new();
    for (_, value) in table.iter_mut() {
        expand_value(value, lookup, &mut missing);
    }
    missing.sort_unstable_by_key(|(at, _)| *at);
    missing
}

fn expand_value(
    value: &mut Spanned<DeValue<'_>>,
    lookup: &dyn Fn(&str) -> Option<String>,
    missing: &mut Vec<Missing>,
) {
    let at = value.span().start;
    match value.get_mut() {
        DeValue::String(text) => match expand(text, lookup) {
            Ok(Some(expanded)) => *text = Cow::Owned(expanded),
            Ok(None) => {}
            Err(message) => missing.push((at, message)),
        },
        DeValue::Array(items) => items.iter_mut().for_each(|item| expand_value(item, lookup, missing)),
        DeValue::Table(table) => table.iter_mut().for_each(|(_, item)| expand_value(item, lookup, missing)),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// `None` when there is nothing to replace. What a variable holds is taken as it is, `${` inside it included.
fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    let Some((before, mut rest)) = text.split_once("${") else { return Ok(None) };
    let mut expanded = before.to_owned();
    loop {
        let (name, after) = rest.split_once('}').ok_or_else(|| format!("`${{` without `}}` in {text:?}"))?;
        let value = lookup(name).ok_or_else(|| format!("the environment has no {name:?}"))?;
        expanded.push_str(&value);
        let Some((between, next)) = after.split_once("${") else {
            expanded.push_str(after);
            return Ok(Some(expanded));
        };
        expanded.push_str(between);
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("auth.internal".to_owned()),
            "ODD" => Some("\"\n[x] ${HOST}".to_owned()),
            _ => None,
        }
    }

    fn check(text: &str, expected: Result<&str, &str>) {
        let expanded = expand(text, &lookup);
        let expanded = expanded.as_ref().map(|new| new.as_deref().unwrap_or(text)).map_err(String::as_str);
        assert_eq!(expanded, expected, "{text}");
    }

    #[test]
    fn names_are_replaced_inside_strings() {
        check("plain $HOST {HOST}", Ok("plain $HOST {HOST}"));
        check("http://${HOST}:8081/", Ok("http://auth.internal:8081/"));
        check("${HOST}${HOST}", Ok("auth.internalauth.internal"));
        check("${NONE}", Err("the environment has no \"NONE\""));
        check("a${HOST", Err("`${` without `}` in \"a${HOST\""));
    }

    #[test]
    fn a_value_is_never_parsed_again() {
        check("${ODD}", Ok("\"\n[x] ${HOST}"));
        let mut table = DeTable::parse("a = '${ODD}'\n[b]\nc = ['x', '${HOST}']").unwrap();
        assert_eq!(strings(table.get_mut(), &lookup), []);
        assert_eq!(table.get_ref().len(), 2);
        assert_eq!(
            table.get_ref()["b"].get_ref()["c"].get_ref()[1].get_ref().as_str(),
            Some("auth.internal")
        );
    }

    #[test]
    fn every_missing_name_is_told_with_its_place() {
        let mut table = DeTable::parse("b = '${ONE}'\na = ['${TWO}']").unwrap();
        let missing = strings(table.get_mut(), &lookup);
        assert_eq!(missing.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [4, 18]);
    }
}
