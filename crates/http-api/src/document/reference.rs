//! The document as one HTML page for people: no script, no style sheet, no font from elsewhere, so that it works offline.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::METHODS;

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}pre,code{font-size:.9em}
pre{background:#8881;padding:.7rem;overflow:auto}summary{cursor:pointer;padding:.2rem 0}summary b{display:inline-block;min-width:4.5rem}
details details{margin-left:1.2rem}table{border-collapse:collapse}td{border-top:1px solid #8884;padding:.3rem .6rem;vertical-align:top}</style>\n";

/// The page.
#[must_use]
pub fn reference(document: &Value) -> String {
    let mut page = String::from(HEAD);
    // Writing to a String does not fail.
    let _ = write_page(&mut page, document);
    page
}

fn write_page(page: &mut String, document: &Value) -> fmt::Result {
    let title = Text(&document["info"]["title"]);
    write!(page, "<title>{title}</title><h1>{title}</h1><p>{}", Text(&document["info"]["description"]))?;
    for tag in list(&document["tags"]) {
        writeln!(page, "<h2>{}</h2><p>{}", Text(&tag["name"]), Text(&tag["description"]))?;
        for (path, method, operation) in operations(document, &tag["name"]) {
            write_operation(page, path, method, operation)?;
        }
    }
    page.push_str("<h2>Schemas</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        writeln!(page, "<details id=\"{name}\"><summary>{name}</summary>{}</details>", Json(schema))?;
    }
    Ok(())
}

fn operations<'d>(
    document: &'d Value,
    tag: &'d Value,
) -> impl Iterator<Item = (&'d str, &'static str, &'d Value)> {
    let all = members(&document["paths"]).flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| Some((path, *method, item.get(*method)?)))
    });
    all.filter(move |(_, _, operation)| list(&operation["tags"]).any(|own| own == tag))
}

fn write_operation(page: &mut String, path: &str, method: &str, operation: &Value) -> fmt::Result {
    let (id, summary) = (Text(&operation["operationId"]), Text(&operation["summary"]));
    let method = method.to_uppercase();
    writeln!(page, "<details id=\"{id}\"><summary><b>{method}</b> <code>{path}</code> {summary}</summary>")?;
    writeln!(page, "<p>{} <i>{id}</i></p>", Text(&operation["description"]))?;
    if let Some(security) = operation.get("security") {
        writeln!(page, "<details><summary>Who may call</summary>{}</details>", Json(security))?;
    }
    for part in ["parameters", "requestBody"].iter().filter_map(|name| Some((*name, operation.get(*name)?))) {
        writeln!(page, "<details><summary>{}</summary>{}</details>", part.0, Json(part.1))?;
    }
    page.push_str("<table>");
    for (status, response) in members(&operation["responses"]) {
        writeln!(page, "<tr><td>{status}<td>{}", Answer(response))?;
    }
    page.push_str("</table></details>\n");
    Ok(())
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A text, or nothing.
struct Text<'d>(&'d Value);

/// A part of the document as it is.
struct Json<'d>(&'d Value);

/// A response: what it means, and its body's schema.
struct Answer<'d>(&'d Value);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.0.as_str().unwrap_or_default()).replace("\n\n", "<br>"))
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<pre>{}</pre>", escape(&format!("{:#}", self.0)))
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(shared) = self.0["$ref"].as_str() {
            return write!(f, "as anywhere (<code>{}</code>)", escape(shared));
        }
        write!(f, "{}", Text(&self.0["description"]))?;
        members(&self.0["content"]).try_for_each(|(media_type, content)| {
            write!(
                f,
                "<details><summary>{}</summary>{}</details>",
                escape(media_type),
                Json(&content["schema"])
            )
        })
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_shows_each_operation_and_loads_nothing() {
        let operation = json!({"tags": ["orders"], "operationId": "get_order", "summary": "Shows <one>.", "responses": {
            "200": {"description": "The order.", "content": {"application/json": {"schema": {"type": "object"}}}},
            "502": {"$ref": "#/components/responses/502"},
        }});
        let page = reference(&json!({
            "info": {"title": "Orders"}, "tags": [{"name": "orders"}], "paths": {"/api/orders/{id}": {"get": operation}},
        }));
        for expected in
            ["<h1>Orders", "GET", "/api/orders/{id}", "Shows &lt;one>.", "get_order", "The order.", "502"]
        {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        for remote in ["<script", "<link", "src=", "http://", "https://", "@import", "url("] {
            assert!(!page.contains(remote), "{remote}");
        }
    }
}
