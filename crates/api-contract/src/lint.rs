//! Whether a document is whole.

use serde_json::Value;

use crate::lookup::resolve;

/// What a document lacks, a sentence each: a reference that leads nowhere, an operation or a response that says nothing of
/// itself, a status that is none.
#[must_use]
pub fn lacks(document: &Value) -> Vec<String> {
    let mut found: Vec<_> = references(document)
        .into_iter()
        .filter(|reference| document.pointer(reference.trim_start_matches('#')).is_none())
        .map(|reference| format!("{reference} leads nowhere"))
        .collect();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            found.extend(of_operation(document, operation).map(|lack| format!("{method} {path}: {lack}")));
        }
    }
    found
}

fn of_operation<'d>(document: &'d Value, operation: &'d Value) -> impl Iterator<Item = String> + 'd {
    let of_itself =
        ["summary", "tags", "operationId"].into_iter().filter(|part| operation.get(*part).is_none());
    let responses = operation["responses"].as_object().into_iter().flatten();
    let of_responses = responses.flat_map(move |(status, response)| {
        let is_status = status.parse().is_ok_and(|status: u16| (200..600).contains(&status));
        let text = resolve(document, response)["description"].as_str().unwrap_or_default();
        let no_status =
            (!is_status).then(|| format!("{status} is no status (a code that is not in the list?)"));
        let no_text = text.is_empty().then(|| format!("{status} has no description"));
        no_status.into_iter().chain(no_text)
    });
    of_itself.map(|part| format!("no {part}")).chain(of_responses)
}

fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(members) => {
            let own = members.get("$ref").and_then(Value::as_str);
            own.into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let whole = json!({"summary": "s", "tags": ["t"], "operationId": "i", "responses": {"200": {"description": "d"}}});
        assert_eq!(lacks(&json!({"paths": {"/a": {"get": whole}}})), Vec::<String>::new());
        let broken =
            json!({"summary": "s", "tags": ["t"], "responses": {"0": {"description": "d"}, "204": {}}});
        let found =
            lacks(&json!({"paths": {"/a": {"get": broken}}, "components": {"x": {"$ref": "#/nowhere"}}}))
                .join("\n");
        for expected in
            ["#/nowhere leads nowhere", "no operationId", "0 is no status", "204 has no description"]
        {
            assert!(found.contains(expected), "{expected} in {found}");
        }
    }
}
