//! A gateway that subscribes to the revocation feed.

use std::sync::Arc;
use std::time::Duration;

use auth_service::app::App;
use auth_service::config::Config;
use auth_service::jobs::revocation_feed::RevocationFeed;
use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::gateway::Gateway;

pub(crate) const FEED: &str = "/internal/revocations";

/// Long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The feed's job, as long as this lives.
pub(crate) struct Job(JoinHandle<()>);

impl Job {
    pub(crate) fn start(app: &App, config: &Config) -> Self {
        let (feed, announcer) = (Arc::clone(&app.feed), Arc::clone(&app.announcer));
        let job = RevocationFeed::new(feed, announcer, &config.database).expect("a job");
        Self(tokio::spawn(job.run()))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) data: Value,
    pub(crate) id: Option<String>,
}

/// Reads events off bytes.
pub(crate) struct Events<S> {
    bytes: S,
    text: String,
}

impl<S, E> Events<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Debug,
{
    pub(crate) fn new(bytes: S) -> Self {
        Self { bytes, text: String::new() }
    }

    /// The next block, comments too; `None` when the stream has ended.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let next = timeout(PATIENCE, self.bytes.next()).await.expect("the feed says something");
            let bytes = next?.expect("a whole answer");
            self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    /// The next event; comments are passed over.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let value = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                value.map(str::to_owned)
            };
            if let (Some(kind), Some(data)) = (field("event"), field("data")) {
                let data = serde_json::from_str(&data).expect("JSON");
                return Some(Event { kind, data, id: field("id") });
            }
        }
    }

    /// The next event that is no heartbeat.
    pub(crate) async fn news(&mut self) -> Event {
        loop {
            let event = self.event().await.expect("a stream that goes on");
            if event.kind != "heartbeat" {
                return event;
            }
        }
    }

    /// Everything before `snapshot`, and the cursor that stands on it.
    pub(crate) async fn snapshot(&mut self) -> (Vec<Value>, String) {
        let mut entries = Vec::new();
        loop {
            let event = self.news().await;
            match event.kind.as_str() {
                "snapshot" => return (entries, event.id.expect("a cursor")),
                _ => entries.push(event.data),
            }
        }
    }
}

/// A subscriber of the router in process.
pub(crate) struct Subscriber {
    pub(crate) headers: HeaderMap,
    pub(crate) events: Events<BodyDataStream>,
}

impl Subscriber {
    pub(crate) async fn start(gateway: &Gateway, cursor: Option<&str>) -> Self {
        let mut request = Request::get(FEED);
        if let Some(cursor) = cursor {
            request = request.header("last-event-id", cursor);
        }
        let response = gateway.ask(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), StatusCode::OK);
        let (parts, body) = response.into_parts();
        Self { headers: parts.headers, events: Events::new(body.into_data_stream()) }
    }
}
