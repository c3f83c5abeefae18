//! Limits that can be judged from the head of a request. What a body turns out to be is watched while it flows.

use http::HeaderMap;
use http::header::CONTENT_LENGTH;

/// The body is larger than the route allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The body is larger than the {limit} bytes that are allowed here.")]
pub struct BodyTooLarge {
    /// The route's limit.
    pub limit: u64,
}

/// Refuses a body that announces itself as too large, before any of it is read.
///
/// # Errors
/// [`BodyTooLarge`], also for a length that no number of ours can hold.
pub fn body(headers: &HeaderMap, limit: u64) -> Result<(), BodyTooLarge> {
    // hyper has refused lengths that differ and lengths that are no number.
    let Some(length) = headers.get(CONTENT_LENGTH) else { return Ok(()) };
    let length = length.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    match length {
        Some(length) if length <= limit => Ok(()),
        _ => Err(BodyTooLarge { limit }),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_length_is_judged_before_the_body_is_read() {
        let check = |length: Option<&'static str>, good: bool| {
            let length = length.map(|length| (CONTENT_LENGTH, HeaderValue::from_static(length)));
            assert_eq!(body(&length.into_iter().collect(), 10).is_ok(), good);
        };
        check(None, true);
        check(Some("0"), true);
        check(Some("10"), true);
        check(Some("11"), false);
        check(Some("99999999999999999999999"), false);
        check(Some("ten"), false);
    }
}
