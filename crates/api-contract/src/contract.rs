//! Holding answers to documents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::answer::{Answer, Breach};
use crate::lookup::{Found, operation, resolve};

/// Documents, and the validators made of them so far.
#[derive(Debug)]
pub struct Contract {
    documents: Vec<Value>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Contract {
    /// A contract of these documents: what one does not know, another may.
    #[must_use]
    pub fn new(documents: impl IntoIterator<Item = Value>) -> Self {
        let documents = documents.into_iter().map(closed).collect();
        Self { documents, validators: Mutex::default() }
    }

    /// Fails the test when the answer is none that the documents promise.
    #[track_caller]
    pub fn uphold(&self, answer: &Answer<'_>) {
        if let Err(breach) = self.check(answer) {
            panic!("{breach}");
        }
    }

    /// Whether the documents promise this answer: its status, its headers, its media type, and the form of its body.
    ///
    /// # Errors
    /// [`Breach`] says what is not as it should be.
    pub fn check(&self, answer: &Answer<'_>) -> Result<(), Breach> {
        // A preflight is the gateway's, and no operation.
        if *answer.method == Method::OPTIONS {
            return Ok(());
        }
        let (document, responses) = self.responses(answer);
        let status = answer.status.as_str();
        let Some(response) = responses.get(status) else {
            return Err(answer.breach("no such status is documented there".to_owned()));
        };
        let response = resolve(document, response);
        check_headers(document, response, answer)?;
        self.check_body(document, response, answer)
    }

    /// The responses of the operation, or those that are possible anywhere.
    fn responses(&self, answer: &Answer<'_>) -> (&Value, &Value) {
        let path = answer.path.split('?').next().unwrap_or_default();
        for document in &self.documents {
            match operation(document, answer.method.as_str(), path) {
                Found::Operation(operation) => return (document, &operation["responses"]),
                Found::OtherMethod => return (document, &document["components"]["responses"]),
                Found::Nothing => {}
            }
        }
        let document = self.documents.first().expect("a document");
        (document, &document["components"]["responses"])
    }

    fn check_body(&self, document: &Value, response: &Value, answer: &Answer<'_>) -> Result<(), Breach> {
        let Some(body) = answer.body.filter(|_| *answer.method != Method::HEAD) else { return Ok(()) };
        let Some(content) = response["content"].as_object().filter(|content| !content.is_empty()) else {
            return if body.is_empty() {
                Ok(())
            } else {
                Err(answer.breach("it should have no body".to_owned()))
            };
        };
        let media_type = answer.media_type().unwrap_or("none");
        let Some(described) = content.get(media_type) else {
            return Err(answer.breach(format!("the media type {media_type} is not documented there")));
        };
        if !media_type.ends_with("json") {
            return Ok(());
        }
        let body =
            serde_json::from_slice(body).map_err(|error| answer.breach(format!("it is no JSON: {error}")))?;
        let complaints: Vec<_> = self
            .validator(document, &described["schema"])
            .iter_errors(&body)
            .map(|error| format!("{} at `{}`", error, error.instance_path()))
            .collect();
        if complaints.is_empty() { Ok(()) } else { Err(answer.breach(complaints.join("; "))) }
    }

    fn validator(&self, document: &Value, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let made = validators.entry(format!("{} {schema}", document["info"]["title"])).or_insert_with(|| {
            let root = json!({"allOf": [schema], "components": document["components"]});
            let options = jsonschema::options()
                .with_draft(jsonschema::Draft::Draft202012)
                .should_validate_formats(true);
            Arc::new(options.build(&root).expect("a usable schema"))
        });
        Arc::clone(made)
    }
}

fn check_headers(document: &Value, response: &Value, answer: &Answer<'_>) -> Result<(), Breach> {
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolve(document, header);
        let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
        match value {
            None if header["required"] == true => return Err(answer.breach(format!("it has no {name}"))),
            Some(text) if header["schema"]["type"] == "integer" && text.parse::<u64>().is_err() => {
                return Err(answer.breach(format!("{name} is no number: {text}")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The document with every schema that has a name allowing no member but those that it names. Clients are told nothing of the
/// kind, since members may be added one day; but one that is there must be documented.
fn closed(mut document: Value) -> Value {
    for (_, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
            schema["additionalProperties"] = json!(false);
        }
    }
    document
}
