//! The request that opens the feed: signed as the gateway signs for the auth service, on nobody's behalf.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use identity::{Message, Signer, names};
use tokio::task::JoinSet;

use super::super::Source;
use super::follow::FeedError;
use crate::runtime::request_ids::RequestIds;

/// To connect, and to get an answer's head.
const LIMIT: Duration = Duration::from_secs(5);
const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Where the feed is, and what it takes to be let in.
pub struct Subscription {
    /// Replicas of the same feed, at least one.
    pub sources: Vec<Source>,
    /// Who asks.
    pub subscriber: Subscriber,
}

/// The gateway, as the auth service knows it.
pub struct Subscriber {
    signer: Signer,
    ids: RequestIds,
}

/// A feed that is open.
pub(super) struct Open {
    pub(super) body: Incoming,
    /// The connection's own work, which ends with this value.
    _connection: JoinSet<()>,
}

impl Subscriber {
    /// Signs for the auth service with its own key.
    pub const fn new(signer: Signer, ids: RequestIds) -> Self {
        Self { signer, ids }
    }

    /// Opens the feed after the last event that is known, if there is one.
    pub(super) async fn open(
        &self,
        source: &Source,
        last: Option<&HeaderValue>,
        now: i64,
    ) -> Result<Open, FeedError> {
        let stream = source.connect(LIMIT).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut work = JoinSet::new();
        work.spawn_local(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "feed connection");
            }
        });
        let request = self.request(source, last, now);
        let answer = tokio::time::timeout(LIMIT, sender.send_request(request)).await;
        let answer = answer.map_err(|_| FeedError::NoAnswer)??;
        check(&answer)?;
        Ok(Open { body: answer.into_body(), _connection: work })
    }

    fn request(&self, source: &Source, last: Option<&HeaderValue>, now: i64) -> Request<Empty<Bytes>> {
        let mut request = source.request(EVENT_STREAM);
        let id = self.ids.next();
        let message = Message {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query(),
            request_id: id.as_bytes(),
            forwarded_for: b"",
            forwarded_proto: b"",
            forwarded_host: b"",
            user_id: b"",
            user_email: b"",
            user_role: b"",
            session_id: b"",
        };
        let signature = self.signer.sign(&message, now);
        let headers = request.headers_mut();
        headers.insert(&names::REQUEST_ID, id);
        for empty in [
            &names::FORWARDED_FOR,
            &names::FORWARDED_PROTO,
            &names::FORWARDED_HOST,
            &names::USER_ID,
            &names::USER_EMAIL,
            &names::USER_ROLE,
            &names::SESSION_ID,
        ] {
            headers.insert(empty, const { HeaderValue::from_static("") });
        }
        headers.insert(&names::SIGNATURE_INPUT, signature.input);
        headers.insert(&names::SIGNATURE, signature.signature);
        if let Some(last) = last {
            headers.insert(LAST_EVENT_ID, last.clone());
        }
        request
    }
}

fn check(answer: &Response<Incoming>) -> Result<(), FeedError> {
    if answer.status() != StatusCode::OK {
        return Err(FeedError::Status(answer.status()));
    }
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(EVENT_STREAM) { Ok(()) } else { Err(FeedError::NoFeed) }
}
