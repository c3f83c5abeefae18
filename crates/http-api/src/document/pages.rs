//! Where the document is read: on the private listener.

use http::HeaderValue;
use process::Mode;
use process::private::Page;
use serde_json::Value;

use super::reference;

/// The page at `path`: `/openapi.json` always, and in development `/reference` for people.
#[must_use]
pub fn page(path: &str, mode: Mode, document: fn() -> Value) -> Option<Page> {
    let (content_type, body) = match (path, mode) {
        ("/openapi.json", _) => ("application/json", document().to_string()),
        ("/reference", Mode::Development) => ("text/html; charset=utf-8", reference(&document())),
        _ => return None,
    };
    Some(Page { content_type: HeaderValue::from_static(content_type), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_shows_no_reference() {
        let is_there = |path, mode| page(path, mode, || Value::Null).is_some();
        assert!(is_there("/openapi.json", Mode::Production) && is_there("/openapi.json", Mode::Development));
        assert!(is_there("/reference", Mode::Development) && !is_there("/reference", Mode::Production));
        assert!(!is_there("/", Mode::Development));
    }
}
