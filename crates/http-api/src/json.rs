//! JSON bodies, in and out.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use problem::{FieldError, Problem, codes};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use tokio::time::timeout;

use crate::{DEADLINE, Failure, MAX_BODY_BYTES};

/// How long a body may take to arrive: half of what the whole request may.
const BODY_DEADLINE: Duration = Duration::from_secs(DEADLINE.as_secs() / 2);

/// A JSON body.
///
/// As an extractor: 415 `unsupported_media_type` for anything but `application/json`, 413 `body_too_large`, 408 `request_timeout`,
/// 400 `malformed_json`, and 422 `invalid_fields` naming the field when the JSON is well formed but not of the
/// type `T`. A body is an object: serde would also take an array for a struct, as its fields in their order.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            let detail = "The body must be sent as Content-Type: application/json.";
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                codes::UNSUPPORTED_MEDIA_TYPE,
                detail,
            )
            .into());
        }
        let body =
            timeout(BODY_DEADLINE, Bytes::from_request(request, state)).await.map_err(|_| too_slow())?;
        let body = body.map_err(|rejection| unreadable(rejection.status()))?;
        parse(&body).map(Self).map_err(Failure::from)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
            }
            Err(error) => Failure::internal(error).into_response(),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// The client's fault and not ours: no 503, and no line in the log.
fn too_slow() -> Failure {
    Problem::new(StatusCode::REQUEST_TIMEOUT, codes::REQUEST_TIMEOUT, "The body did not arrive in time.")
        .into()
}

fn unreadable(status: StatusCode) -> Failure {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!("The body may have at most {MAX_BODY_BYTES} bytes.");
        return Problem::new(status, codes::BODY_TOO_LARGE, detail).into();
    }
    Problem::new(StatusCode::BAD_REQUEST, codes::BAD_REQUEST, "The body could not be read to its end.").into()
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii_start().starts_with(b"[") && is_well_formed(body) {
        let message = "must be an object".to_owned();
        return Err(invalid(FieldError { field: String::new(), code: "invalid", message }));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| refused(body, &error.path().to_string(), error.inner()))?;
    reader.end().map_err(|error| refused(body, "", &error))?;
    Ok(value)
}

fn refused(body: &[u8], path: &str, error: &serde_json::Error) -> Problem {
    if error.classify() != Category::Data && !is_well_formed(body) {
        let detail =
            format!("The body is no well-formed JSON (line {}, column {}).", error.line(), error.column());
        return Problem::new(StatusCode::BAD_REQUEST, codes::MALFORMED_JSON, detail);
    }
    invalid(field_error(path, error))
}

fn invalid(field: FieldError) -> Problem {
    let detail = "The body does not have the expected fields.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::INVALID_FIELDS, detail).with_errors(vec![field])
}

/// serde_json calls some values of the wrong type, such as `null` for an enum, a syntax error.
fn is_well_formed(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// serde names a missing field in its message only, and its path is that of the parent.
fn field_error(path: &str, error: &serde_json::Error) -> FieldError {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or_default().to_owned();
    let parent = if path == "." { "" } else { path };
    match message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(name) if parent.is_empty() => FieldError { field: name.to_owned(), code: "required", message },
        Some(name) => FieldError { field: format!("{parent}.{name}"), code: "required", message },
        None => FieldError { field: parent.to_owned(), code: "invalid", message },
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Order {
        #[serde(default)]
        #[expect(dead_code, reason = "only its type matters")]
        status: Option<Status>,
        #[expect(dead_code, reason = "only its presence matters")]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    enum Status {
        Paid,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        #[expect(dead_code, reason = "only its type matters")]
        quantity: u8,
    }

    fn check(body: impl AsRef<[u8]>, status: u16, field: &str, code: &str) {
        let problem = parse::<Order>(body.as_ref()).unwrap_err();
        let body = String::from_utf8_lossy(body.as_ref());
        assert_eq!(problem.status.as_u16(), status, "{body}");
        let found =
            problem.errors.first().map_or(("", problem.code), |error| (error.field.as_str(), error.code));
        assert_eq!(found, (field, code), "{body}");
    }

    #[test]
    fn each_wrong_body_is_told_apart() {
        check("", 400, "", "malformed_json");
        check("{", 400, "", "malformed_json");
        check("{\"items\":[]} x", 400, "", "malformed_json");
        check("\u{0}", 400, "", "malformed_json");
        check(b"{\"items\":[\"\xff\"]}", 400, "", "malformed_json");
        check("{\"items\":[\"\\ud800\"]}", 422, "items[0]", "invalid");
        check(format!("{{\"deep\":{}", "[".repeat(10_000)), 400, "", "malformed_json");
        check("{}", 422, "items", "required");
        check("[]", 422, "", "invalid");
        check(" [\"Paid\",[]]", 422, "", "invalid");
        check("[", 400, "", "malformed_json");
        check("{\"items\":[],\"status\":1}", 422, "status", "invalid");
        check("{\"items\":[{}]}", 422, "items[0].quantity", "required");
        check("{\"items\":[{\"quantity\":300}]}", 422, "items[0].quantity", "invalid");
        check("{\"items\":[{\"quantity\":\"1\"}]}", 422, "items[0].quantity", "invalid");
        check("{\"items\":[],\"items\":[]}", 422, "", "invalid");
    }
}
