//! The `Signature` and `Signature-Input` dictionaries (RFC 8941 section 3.2): finds the gateway's one member.
//!
//! Members under other labels may stand beside it and are not looked at; a second `gateway` is refused, where a
//! lenient parser would take the last.

use http::header::{GetAll, HeaderValue};

use crate::message::LABEL;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldError {
    Absent,
    Repeated,
    Malformed,
}

/// The value of the only `gateway` member over all lines of the field.
pub(crate) fn gateway_member<'a>(lines: GetAll<'a, HeaderValue>) -> Result<&'a str, FieldError> {
    let mut found = None;
    for line in lines {
        let line = line.to_str().map_err(|_| FieldError::Malformed)?;
        for member in Members(Some(line)) {
            let (key, value) = member?;
            if key == LABEL && found.replace(value).is_some() {
                return Err(FieldError::Repeated);
            }
        }
    }
    found.ok_or(FieldError::Absent)
}

/// The members of one line. A comma ends a member unless it stands inside a string: neither inner lists nor byte
/// sequences can hold one elsewhere.
struct Members<'a>(Option<&'a str>);

impl<'a> Iterator for Members<'a> {
    type Item = Result<(&'a str, &'a str), FieldError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.0.take()?;
        let Some(end) = member_end(line) else { return Some(Err(FieldError::Malformed)) };
        self.0 = line.get(end + 1..);
        Some(split_member(line[..end].trim_matches([' ', '\t'])))
    }
}

/// Where the first member of `line` ends; `None` when a string in it does not.
fn member_end(line: &str) -> Option<usize> {
    let mut in_string = false;
    let mut bytes = line.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => {
                bytes.next()?;
            }
            b',' if !in_string => return Some(at),
            _ => {}
        }
    }
    (!in_string).then_some(line.len())
}

fn split_member(member: &str) -> Result<(&str, &str), FieldError> {
    let (key, value) = member.split_once('=').ok_or(FieldError::Malformed)?;
    let is_key = key.starts_with(|first: char| first.is_ascii_lowercase() || first == '*')
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte));
    if is_key && !value.is_empty() { Ok((key, value)) } else { Err(FieldError::Malformed) }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::HeaderValue;

    use super::{FieldError, gateway_member};
    use crate::names::SIGNATURE;

    fn check(lines: &[&'static str], expected: Result<&str, FieldError>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&SIGNATURE, HeaderValue::from_static(line));
        }
        assert_eq!(gateway_member(headers.get_all(&SIGNATURE)), expected, "{lines:?}");
    }

    #[test]
    fn the_one_member_is_found_among_others() {
        check(&["gateway=:aa:"], Ok(":aa:"));
        check(&["proxy=:bb:,\tgateway=:aa: , z=(\"a\");tag=\"x\""], Ok(":aa:"));
        check(&["proxy=:bb:", "gateway=:aa:"], Ok(":aa:"));
        check(&[r#"proxy=("a");keyid="\", gateway=:cc:", gateway=:aa:"#], Ok(":aa:"));
    }

    #[test]
    fn a_second_one_is_refused() {
        check(&["gateway=:aa:, gateway=:bb:"], Err(FieldError::Repeated));
        check(&["gateway=:aa:", "gateway=:aa:"], Err(FieldError::Repeated));
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        for line in [
            "",
            ",",
            "gateway=:aa:,",
            "gateway",
            "Gateway=:aa:",
            "gateway =:aa:",
            "gateway=",
            "gateway=\"aa",
            "gateway=\"a\\",
        ] {
            check(&[line], Err(FieldError::Malformed));
        }
        check(&[], Err(FieldError::Absent));
        check(&["other=:aa:"], Err(FieldError::Absent));
    }
}
