//! Bytes and percent escapes of a target: the slow half of the canonical check, reached only by paths that have any.

use super::NotCanonical;

/// How often a path may be encoded over itself. `%2525` is two.
const DEPTH: usize = 4;

/// `pchar` and `/` of RFC 3986 section 3.3, and the percent sign.
pub(super) const fn is_path_byte(byte: u8) -> bool {
    PATH_BYTES[byte as usize]
}

const PATH_BYTES: [bool; 256] = table(b"/%-._~!$&'()*+,;=:@");

/// Besides RFC 3986 section 3.4, what browsers leave as it is in a query (WHATWG URL section 1.3). Nothing is decided
/// by a query, so this is about clients, not about safety.
const QUERY_BYTES: [bool; 256] = table(b"/%-._~!$&'()*+,;=:@?[]{}|^`\\");

const fn table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0u8;
    while byte.is_ascii() {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
}

pub(super) fn check_query(query: &str) -> Result<(), NotCanonical> {
    let bytes = query.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if !QUERY_BYTES[usize::from(byte)] {
            return Err(NotCanonical::RawQueryByte);
        }
        if byte == b'%' && escape(&bytes[at..]).is_none() {
            return Err(NotCanonical::BrokenEscape);
        }
    }
    Ok(())
}

/// Looks at every segment as a server might that decodes it once, twice, or more often.
pub(super) fn check_path(path: &str) -> Result<(), NotCanonical> {
    let escapes =
        || (0..path.len()).filter(|&at| path.as_bytes()[at] == b'%').map(|at| escape(&path.as_bytes()[at..]));
    if escapes().any(|byte| byte.is_none()) {
        return Err(NotCanonical::BrokenEscape);
    }
    path.split('/').try_for_each(check_segment)?;
    if escapes().flatten().any(is_unreserved) {
        return Err(NotCanonical::NeedlessEscape);
    }
    Ok(())
}

/// Characters that mean the same encoded and bare (RFC 3986 section 2.3): the server behind might compare them
/// decoded where the route table compared them as they came.
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn check_segment(segment: &str) -> Result<(), NotCanonical> {
    check_dots(segment.as_bytes())?;
    let mut text = decode(segment.as_bytes());
    std::str::from_utf8(&text).map_err(|_| NotCanonical::NotUtf8)?;
    for _ in 0..DEPTH {
        if text.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0)) {
            return Err(NotCanonical::EncodedSeparator);
        }
        check_dots(&text)?;
        let next = decode(&text);
        if next == text {
            return Ok(());
        }
        text = next;
    }
    Err(NotCanonical::NestedEscapes)
}

/// `.` and `..`, also with parameters: some servers cut `;…` off before they resolve dots.
fn check_dots(segment: &[u8]) -> Result<(), NotCanonical> {
    let name = segment.split(|&byte| byte == b';').next().unwrap_or_default();
    if matches!(name, b"." | b"..") { Err(NotCanonical::DotSegment) } else { Ok(()) }
}

/// See [`super::Path::without_parameters`]: the semicolon may be encoded, also over and over.
pub(super) fn without_parameters(path: &str) -> Option<String> {
    if !path.bytes().any(|byte| matches!(byte, b';' | b'%')) {
        return None;
    }
    let segments = path.split('/').map(|segment| &segment[..parameters_at(segment).unwrap_or(segment.len())]);
    let bare = segments.collect::<Vec<_>>().join("/");
    (bare != path).then_some(bare)
}

fn parameters_at(segment: &str) -> Option<usize> {
    let plain = segment.find(';').unwrap_or(segment.len());
    let encoded = find_encoded(segment, &["3b"]).unwrap_or(segment.len());
    Some(plain.min(encoded)).filter(|&at| at < segment.len())
}

/// Where the first of some characters stands, given by their hexadecimal digits, encoded once or over and over.
pub(super) fn find_encoded(text: &str, characters: &[&str]) -> Option<usize> {
    let is_it = |at: usize| {
        let digits = text[at + 1..].trim_start_matches("25").get(..2);
        digits.is_some_and(|digits| characters.iter().any(|character| digits.eq_ignore_ascii_case(character)))
    };
    text.match_indices('%').map(|(at, _)| at).find(|&at| is_it(at))
}

/// Decodes once; what is no escape stays.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = if byte == b'%' { escape(rest) } else { None };
        decoded.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &rest[3..] } else { after };
    }
    decoded
}

/// The byte that an escape at the beginning of `text` stands for.
fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}
