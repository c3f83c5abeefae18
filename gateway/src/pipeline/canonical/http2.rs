//! A request of HTTP/2 in the form that every stage reads: that of HTTP/1.1. What RFC 9113 section 8.2.2 forbids
//! (`Connection`, `Transfer-Encoding`, `Upgrade`, capital letters) never came this far.

use http::header::{COOKIE, HOST, HeaderValue};
use http::request::Parts;
use http::uri::Uri;

use super::NotCanonical;

/// Makes `:authority` the `Host`, `:path` the target, and one line of the crumbs of `Cookie`.
///
/// # Errors
/// The request names two hosts, or no path.
pub fn flatten(parts: &mut Parts) -> Result<(), NotCanonical> {
    let target = std::mem::take(&mut parts.uri).into_parts();
    if let Some(authority) = target.authority {
        let mut said = parts.headers.get_all(HOST).iter();
        let same = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
        if !said.next().is_none_or(same) || said.next().is_some() {
            return Err(NotCanonical::Host);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| NotCanonical::Host)?;
        parts.headers.insert(HOST, host);
    }
    parts.uri = Uri::from(target.path_and_query.ok_or(NotCanonical::Form)?);
    join_cookies(parts);
    Ok(())
}

/// RFC 9113 section 8.2.3. An upstream that read one line only would miss the others.
fn join_cookies(parts: &mut Parts) {
    let crumbs: Vec<_> = parts.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(b"; ".as_slice()))
    {
        parts.headers.insert(COOKIE, whole);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn flat(uri: &str, headers: &[(&'static str, &str)]) -> Result<Parts, NotCanonical> {
        let request = Request::builder().uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut parts = request.body(()).unwrap().into_parts().0;
        flatten(&mut parts).map(|()| parts)
    }

    #[test]
    fn authority_and_host_are_one() {
        let check = |uri, headers: &[(&'static str, &str)], expected: Result<(&str, &str), NotCanonical>| {
            let got = flat(uri, headers);
            let got =
                got.as_ref().map(|parts| (parts.headers[HOST].to_str().unwrap(), parts.uri.to_string()));
            assert_eq!(
                got.map_err(|error| *error),
                expected.map(|(host, uri)| (host, uri.to_owned())),
                "{headers:?}"
            );
        };
        check("https://a.example/x?y=1", &[], Ok(("a.example", "/x?y=1")));
        check("https://a.example:8443/", &[("host", "A.example:8443")], Ok(("a.example:8443", "/")));
        check("/x", &[("host", "a.example")], Ok(("a.example", "/x")));
        check("https://a.example/", &[("host", "b.example")], Err(NotCanonical::Host));
        check("https://a.example/", &[("host", "a.example:443")], Err(NotCanonical::Host));
        check("https://a.example/", &[("host", "a.example"), ("host", "a.example")], Err(NotCanonical::Host));
        check("a.example:443", &[], Err(NotCanonical::Form));
    }

    #[test]
    fn crumbs_become_one_cookie() {
        let parts = flat("https://a/", &[("cookie", "a=1"), ("cookie", "b=2; c=3")]).unwrap();
        let lines: Vec<_> = parts.headers.get_all(COOKIE).iter().collect();
        assert_eq!(lines, ["a=1; b=2; c=3"]);
    }
}
