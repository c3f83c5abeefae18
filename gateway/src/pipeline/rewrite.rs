//! A route's own rules about headers: what its operator adds to requests and answers, or takes out of them.
//!
//! Owns which names such a rule may have. Who is calling, where a message ends, what concerns one hop and which origins
//! may read an answer is said by the stages alone, whatever is configured.

use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, HeaderMap, HeaderName, ORIGIN, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY,
};

use super::identify;
use crate::config::HeaderRules;

/// Does what the rules say, if there are any.
pub fn apply(rules: Option<&HeaderRules>, headers: &mut HeaderMap) {
    let Some(rules) = rules else { return };
    for name in &rules.remove {
        headers.remove(name);
    }
    for (name, value) in &rules.set {
        headers.insert(name, value.clone());
    }
}

/// Whether a rule about requests may name this header. The auth service judges cookies by what a browser says of the
/// page behind a request, so that is not for sale either.
pub fn may_change_request(name: &HeaderName) -> bool {
    let decides = [AUTHORIZATION, COOKIE, ORIGIN].contains(name) || name.as_str().starts_with("sec-");
    let traces = matches!(name.as_str(), "traceparent" | "tracestate");
    !decides && !traces && identify::passes(name.as_str())
}

/// Whether a rule about answers may name this header.
pub fn may_change_answer(name: &HeaderName) -> bool {
    let owned = [CONTENT_LENGTH, SET_COOKIE, STRICT_TRANSPORT_SECURITY].contains(name);
    let given = ["access-control-", "sec-websocket-"].iter().any(|begin| name.as_str().starts_with(begin));
    !owned && !given && !identify::is_for_one_hop(name.as_str()) && identity::family(name.as_str()).is_none()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::SERVER;

    use super::*;

    fn named(text: &str) -> HeaderName {
        HeaderName::try_from(text).unwrap()
    }

    #[test]
    fn rules_remove_and_then_set() {
        let (a, b) = (HeaderValue::from_static("a"), HeaderValue::from_static("b"));
        let mut headers = HeaderMap::from_iter([(named("x-a"), a.clone()), (SERVER, a.clone())]);
        headers.append(named("x-a"), a);
        apply(None, &mut headers);
        assert_eq!(headers.len(), 3);
        let rules =
            HeaderRules { remove: vec![SERVER, named("x-gone")], set: vec![(named("x-a"), b.clone())] };
        apply(Some(&rules), &mut headers);
        assert_eq!(headers, HeaderMap::from_iter([(named("x-a"), b)]));
    }

    #[test]
    fn what_the_stages_say_is_nobody_elses() {
        for name in [
            "authorization",
            "cookie",
            "origin",
            "sec-fetch-site",
            "sec-websocket-key",
            "host",
            "content-length",
            "transfer-encoding",
            "te",
            "connection",
            "x-user-id",
            "x_user_role",
            "x-user-anything",
            "x.session.id",
            "signature",
            "x-forwarded-for",
            "forwarded",
            "x-request-id",
            "traceparent",
        ] {
            assert!(!may_change_request(&named(name)), "{name}");
        }
        for name in [
            "set-cookie",
            "content-length",
            "transfer-encoding",
            "connection",
            "upgrade",
            "access-control-allow-origin",
            "sec-websocket-accept",
            "strict-transport-security",
            "x-request-id",
            "x-user-id",
        ] {
            assert!(!may_change_answer(&named(name)), "{name}");
        }
        for name in ["x-api-key", "user-agent", "accept-encoding", "cache-control"] {
            assert!(may_change_request(&named(name)) && may_change_answer(&named(name)), "{name}");
        }
        assert!(may_change_answer(&SERVER));
    }
}
