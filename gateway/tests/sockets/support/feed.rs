//! The auth service's feed, as bytes: every subscription and what it is sent are in the test's hands.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use identity::{RootKey, Verifier};
use test_support::eventually;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{IDENTITY_KEY, Upstream};

/// A server of the feed; gone when dropped, and its subscriptions with it.
pub(crate) struct Feed {
    server: Upstream,
    subscriptions: Arc<Mutex<Vec<Subscription>>>,
}

#[derive(Clone)]
struct Subscription {
    headers: HeaderMap,
    sends: mpsc::UnboundedSender<Option<Vec<u8>>>,
}

/// A time when no token of a test lives any more.
pub(crate) fn later() -> String {
    let later = OffsetDateTime::from(SystemTime::now() + Duration::from_secs(900));
    later.format(&Rfc3339).unwrap()
}

impl Feed {
    /// Sends nothing until it is told to.
    pub(crate) async fn silent() -> Self {
        Self::beginning_with("").await
    }

    /// Has nothing to tell, and says so.
    pub(crate) async fn empty() -> Self {
        Self::beginning_with("event: snapshot\ndata: {}\nid: db.1\n\n").await
    }

    /// Sends each subscriber this first.
    pub(crate) async fn beginning_with(first: &'static str) -> Self {
        let subscriptions = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&subscriptions);
        let server = Upstream::raw(move |stream| serve(stream, first, Arc::clone(&all))).await;
        Self { server, subscriptions }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The setting that names this feed, and further ones after it.
    pub(crate) fn setting(&self) -> String {
        format!("revocations = \"http://{}/internal/revocations\"\nupstream = \"orders\"\n", self.address())
    }

    /// How many subscriptions there were.
    pub(crate) fn subscribed(&self) -> usize {
        self.subscriptions.lock().unwrap().len()
    }

    /// The headers of the last subscription.
    pub(crate) fn headers(&self) -> HeaderMap {
        self.subscriptions.lock().unwrap().last().expect("a subscription").headers.clone()
    }

    /// Sends bytes over the last subscription.
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        self.tell(Some(bytes.as_ref().to_vec()));
    }

    /// Sends an entry; `fields` without its end.
    pub(crate) fn revoke(&self, fields: &str) {
        self.send(format!("event: revocation\ndata: {{{fields},\"expiresAt\":\"{}\"}}\n\n", later()));
    }

    /// Ends the last subscription.
    pub(crate) fn end(&self) {
        self.tell(None);
    }

    fn tell(&self, what: Option<Vec<u8>>) {
        self.subscriptions.lock().unwrap().last().expect("a subscription").sends.send(what).unwrap();
    }

    /// Waits for so many subscriptions.
    pub(crate) async fn until_subscribed(&self, times: usize) {
        eventually("the gateway subscribes", async || (self.subscribed() >= times).then_some(())).await;
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        for subscription in self.subscriptions.lock().unwrap().iter() {
            // It may have ended already.
            let _ = subscription.sends.send(None);
        }
    }
}

/// One connection is one subscription: no request comes after it.
async fn serve(stream: TcpStream, first: &str, all: Arc<Mutex<Vec<Subscription>>>) {
    let mut stream = BufReader::new(stream);
    let headers = request(&mut stream).await;
    let (sends, mut sent) = mpsc::unbounded_channel();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    if stream.write_all(head.as_bytes()).await.is_err() || !chunk(&mut stream, first.as_bytes()).await {
        return;
    }
    all.lock().unwrap().push(Subscription { headers, sends });
    while let Some(Some(bytes)) = sent.recv().await {
        if !chunk(&mut stream, &bytes).await {
            return;
        }
    }
}

async fn chunk(stream: &mut BufReader<TcpStream>, bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return true;
    }
    let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    stream.write_all(&framed).await.is_ok()
}

/// Reads the request and holds it against the contract, as the auth service does.
async fn request(stream: &mut BufReader<TcpStream>) -> HeaderMap {
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert_eq!(line, "GET /internal/revocations HTTP/1.1\r\n");
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    let root = RootKey::new(secret::parse_key(IDENTITY_KEY).unwrap());
    let verifier = Verifier::new("orders", vec![root.upstream("orders")]);
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let uri = Uri::from_static("/internal/revocations");
    let caller = verifier.verify(&http::Method::GET, &uri, &headers, now).unwrap();
    assert!(caller.user.is_none() && caller.client_address.is_none());
    assert!(caller.proto.is_empty() && caller.host.is_empty() && !caller.request_id.is_empty());
    headers
}
