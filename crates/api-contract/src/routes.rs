//! What a service routes, read from its `routes.rs`, and what its document names.

use std::collections::BTreeSet;

use serde_json::Value;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A method, a path, and the handler's name, which is the operation's id.
pub type Operation = (String, String, String);

/// The operations of a document.
#[must_use]
pub fn operations(document: &Value) -> BTreeSet<Operation> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            let id = item.get(method)?["operationId"].as_str()?;
            Some(((*method).to_owned(), path.clone(), id.to_owned()))
        })
    });
    all.collect()
}

/// The routes of an axum router: `.route("/path", get(module::handler).post(…))`, as the source text has them.
#[must_use]
pub fn routed(source: &str) -> BTreeSet<Operation> {
    for way in [".nest(", ".route_service(", ".fallback("] {
        assert!(!source.contains(way), "{way} hides routes from this test");
    }
    source.split(".route(").skip(1).flat_map(routes_at).collect()
}

fn routes_at(text: &str) -> Vec<Operation> {
    let quoted = text.trim_start().strip_prefix('"').expect("a path that is spelt out");
    let (path, rest) = quoted.split_once('"').expect("the end of the path");
    let handlers = rest.split('(').zip(rest.split('(').skip(1));
    let found = handlers.filter_map(|(before, after)| {
        let method = before.rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        let handler = after.split(')').next()?.rsplit("::").next()?.trim();
        METHODS.contains(&method).then(|| (method.to_owned(), path.to_owned(), handler.to_owned()))
    });
    let found: Vec<_> = found.collect();
    assert!(!found.is_empty(), "the handlers of {path} are not spelt out");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_from_the_source() {
        let source = r#"Router::new()
            .route("/a", get(list_a).post(a::make_a))
            .route(
                "/a/{id}",
                delete(drop_a),
            )
            .layer(from_fn_with_state(state, check))"#;
        let expected = [("get", "/a", "list_a"), ("post", "/a", "make_a"), ("delete", "/a/{id}", "drop_a")];
        let expected = expected.map(|(method, path, id)| (method.to_owned(), path.to_owned(), id.to_owned()));
        assert_eq!(routed(source), BTreeSet::from(expected));
    }
}
