//! The refresh cookie is the auth service's alone: no other upstream sees it or sets it.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Its name in production, with `COOKIE_DOMAIN`, and in development.
const NAMES: [&str; 3] = ["__Host-refresh_token", "__Secure-refresh_token", "refresh_token"];

/// Takes refresh cookies out of a request, and leaves every other cookie.
pub(super) fn drop_refresh(headers: &mut HeaderMap) {
    let lines = headers.get_all(COOKIE);
    if !lines.iter().any(|line| pairs(line).any(is_refresh)) {
        return;
    }
    let kept: Vec<HeaderValue> = lines.iter().cloned().filter_map(without_refresh).collect();
    headers.remove(COOKIE);
    for line in kept {
        headers.append(COOKIE, line);
    }
}

/// A `Cookie` line without refresh cookies; `None` when nothing is left of it.
fn without_refresh(line: HeaderValue) -> Option<HeaderValue> {
    if !pairs(&line).any(is_refresh) {
        return Some(line);
    }
    let kept: Vec<&[u8]> = pairs(&line).filter(|pair| !is_refresh(pair) && !pair.is_empty()).collect();
    let kept = kept.join(b"; ".as_slice());
    // Parts of a good value are a good value.
    if kept.is_empty() { None } else { HeaderValue::try_from(kept).ok() }
}

/// Whether a `Set-Cookie` line sets or deletes a refresh cookie.
pub(super) fn sets_refresh(line: &HeaderValue) -> bool {
    pairs(line).next().is_some_and(is_refresh)
}

fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii)
}

/// A browser sends a cookie without a name as its bare value, so `=refresh_token=x` comes back as `refresh_token=x`.
/// Case does not count: some readers ignore it.
fn is_refresh(pair: &[u8]) -> bool {
    let named =
        pair.iter().position(|&byte| byte != b'=' && !byte.is_ascii_whitespace()).unwrap_or(pair.len());
    let name = pair[named..].split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
    NAMES.iter().any(|refresh| name.eq_ignore_ascii_case(refresh.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_cookies_are_taken_out_of_the_line() {
        let check = |line: &str, expected: Option<&str>| {
            let left = without_refresh(HeaderValue::from_bytes(line.as_bytes()).unwrap());
            assert_eq!(left.as_ref().map(HeaderValue::as_bytes), expected.map(str::as_bytes), "{line}");
        };
        check("theme=dark; lang=de", Some("theme=dark; lang=de"));
        check("theme=dark;lang=de", Some("theme=dark;lang=de"));
        check("refresh_token=x", None);
        check("__Host-refresh_token=x; __Secure-refresh_token=y; refresh_token=z", None);
        check("a=1; refresh_token=x; b=2", Some("a=1; b=2"));
        check("a=1;REFRESH_TOKEN = x;b=2", Some("a=1; b=2"));
        check("a=refresh_token; refresh_token2=x", Some("a=refresh_token; refresh_token2=x"));
        check("=refresh_token=x; a=ü", Some("a=ü"));
        check("refresh_token", None);
        check("refresh_token=x; ;", None);
        check("", Some(""));
    }

    #[test]
    fn only_the_cookies_own_name_counts_in_set_cookie() {
        let check = |line: &'static str, expected| {
            assert_eq!(sets_refresh(&HeaderValue::from_static(line)), expected, "{line}");
        };
        check("refresh_token=; Max-Age=0", true);
        check("__Host-refresh_token=x; Path=/; Secure", true);
        check(" = refresh_token=x", true);
        check("theme=dark; Path=refresh_token", false);
        check("theme=dark; refresh_token=x", false);
        check("my_refresh_token=x", false);
    }
}
