//! A service's OpenAPI 3.1 document: what the handlers say of themselves, completed with what is true of every one of them.
//!
//! A handler names only the problems that are its own (see [`PROBLEMS`]); those that the gateway and the layers add, the
//! headers and the security schemes are put in here, so that they are written once.

mod operation;
mod pages;
mod problems;
mod reference;
mod shared;

use serde_json::{Map, Value};
use utoipa::openapi::OpenApi;

pub use pages::page;
pub use reference::reference;

/// The extension in which `#[utoipa::path]` lists the codes of an operation's own problems:
/// `extensions(("x-problems" = json!([codes::EMAIL_TAKEN])))`. It is gone from the document.
pub const PROBLEMS: &str = "x-problems";
/// The extension of an operation whose errors are no problems, because another protocol has words for them; it lists all of its
/// answers itself: `extensions(("x-own-errors" = json!(true)))`. It is gone from the document.
pub const OWN_ERRORS: &str = "x-own-errors";
/// The tag of what the gateway does not route.
pub const INTERNAL: &str = "internal";

/// The methods of a path item (OpenAPI 3.1, 4.8.9.1) that we use.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The whole document.
#[must_use]
pub fn document(api: &OpenApi) -> Value {
    // Maps with string keys, lists and strings: this cannot fail.
    let mut document = serde_json::to_value(api).unwrap_or_default();
    let secured = document["security"].clone();
    for (path, item) in object(&mut document["paths"]) {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                operation::complete(path, operation, &secured);
            }
        }
    }
    shared::add(object(&mut document["components"]));
    document
}

/// The members of a value, which becomes an object if it is none.
fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(members) => members,
        _ => unreachable!("it has just been made an object"),
    }
}
