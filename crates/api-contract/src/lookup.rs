//! Where in a document an answer is described.

use serde_json::Value;

/// What the document has for a request.
pub(crate) enum Found<'d> {
    /// The operation.
    Operation(&'d Value),
    /// The path, but not by this method.
    OtherMethod,
    /// No such path.
    Nothing,
}

/// The operation of a request. A path that is spelt out goes before one with parameters.
pub(crate) fn operation<'d>(document: &'d Value, method: &str, path: &str) -> Found<'d> {
    let paths = document["paths"].as_object().expect("paths");
    let mut matching: Vec<_> = paths.iter().filter(|(template, _)| matches(template, path)).collect();
    matching.sort_by_key(|(template, _)| template.matches('{').count());
    let Some((_, item)) = matching.first() else { return Found::Nothing };
    // Whoever answers GET answers HEAD.
    let method = if method == "HEAD" { "get".to_owned() } else { method.to_lowercase() };
    item.get(&method).map_or(Found::OtherMethod, Found::Operation)
}

/// What stands behind a `$ref` into this document; a value without one is itself.
pub(crate) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => {
            document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is nowhere in the document"))
        }
        None => value,
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_parameter_is_one_segment() {
        assert!(matches("/api/orders/{id}", "/api/orders/7"));
        assert!(matches("/api/orders", "/api/orders"));
        for other in ["/api/orders", "/api/orders/", "/api/orders/7/cancel", "/api/users/7", "/"] {
            assert!(!matches("/api/orders/{id}", other), "{other}");
        }
    }
}
