//! A gateway between a hostile client and a strict upstream, the routes it has, and what is true of every case.

use std::time::Duration;

use identity::{Caller, RootKey, Verifier};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::forger::{Forger, now};
use crate::http2::Tls;
use crate::recorder::{Arrived, Recorder};
use crate::support::{Gateway, IDENTITY_KEY, Setup};
use crate::wire::{Reply, replies};

/// Only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// What every connection is asked in the end, to see whether it still answers what it is asked.
const MARKER: &str = "GET /public/marker HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) recorder: Recorder,
    pub(crate) forger: Forger,
    ann: String,
    /// The same over TLS, for HTTP/2.
    encrypted: Gateway,
    tls: Tls,
}

/// A way in: a route, and with whose token.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) path: &'static str,
    pub(crate) user: &'static str,
    pub(crate) token: Option<String>,
}

/// A request that HTTP/1.1 and HTTP/2 can both carry. `{path}` in the target is the door's.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What became of a connection.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) replies: Vec<Reply>,
    /// Whether the connection was still good for another request.
    pub(crate) kept: bool,
    /// Without the marker.
    pub(crate) arrived: Vec<Arrived>,
}

impl Ask {
    pub(crate) fn get(headers: &[(&str, &str)]) -> Self {
        Self::new("GET", "{path}", headers)
    }

    pub(crate) fn new(method: &str, target: &str, headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { method: method.to_owned(), target: target.to_owned(), headers }
    }

    /// Whether HTTP/2 has a way to say this in one frame.
    fn is_http2(&self) -> bool {
        const NONE: [&str; 7] =
            ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "host"];
        let size = self.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>();
        self.headers.iter().all(|(name, _)| !NONE.contains(&&*name.to_lowercase()))
            && size + self.target.len() < 15_000
            && self.method != "CONNECT"
            && !self.target.contains('#')
    }

    fn http1(&self) -> String {
        let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
        let headers: String = self.headers.iter().map(line).collect();
        format!("{} {} HTTP/1.1\r\n{{head}}{headers}\r\n", self.method, self.target)
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With other `[timeouts]`.
    pub(crate) async fn with(timeouts: &str) -> Self {
        let (recorder, forger) = (Recorder::new().await, Forger::new().await);
        let tls = Tls::new();
        let setup = |tables| Setup {
            servers: vec![recorder.server.address],
            jwks: Some(forger.url()),
            tokens: "jwks_cooldown = \"1ms\"\njwks_wait = \"10s\"",
            timeouts,
            tables,
            ..Setup::default()
        };
        let (gateway, encrypted) = (setup("").start().await, setup(&tls.table).start().await);
        let ann = forger.token("jti", json!("ann"));
        Self { gateway, recorder, forger, ann, encrypted, tls }
    }

    /// Every kind of route, and with a token wherever one is read.
    pub(crate) fn doors(&self) -> [Door; 4] {
        let anns = || Some(self.ann.clone());
        [
            Door { path: "/public", user: "", token: None },
            Door { path: "/optional", user: "", token: None },
            Door { path: "/optional", user: "u-ann", token: anns() },
            Door { path: "/private", user: "u-ann", token: anns() },
        ]
    }

    /// Sends bytes, then the marker, and reads to the end. In `bytes`, `{path}` is the door's path and `{head}` an
    /// honest `Host` and the door's `Authorization`.
    pub(crate) async fn send(&self, door: &Door, bytes: &str) -> Outcome {
        let authorization =
            door.token.as_ref().map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!("Host: localhost\r\n{authorization}");
        let to_head = bytes.starts_with("HEAD ");
        self.send_bytes(door, bytes.replace("{path}", door.path).replace("{head}", &head).as_bytes(), to_head)
            .await
    }

    pub(crate) async fn send_bytes(&self, door: &Door, bytes: &[u8], to_head: bool) -> Outcome {
        let stream = TcpStream::connect(self.gateway.address).await.unwrap();
        let (mut reads, mut writes) = stream.into_split();
        let sent = [bytes, MARKER.as_bytes()].concat();
        let mut received = Vec::new();
        // The gateway may close before all is written, or after it has answered.
        let both = async { tokio::join!(writes.write_all(&sent), reads.read_to_end(&mut received)) };
        let _ = tokio::time::timeout(PATIENCE, both).await.expect("the connection ends");
        let mut replies = replies(&received, to_head);
        let mut arrived = self.recorder.take();
        let is_marker = |arrived: &mut Arrived| arrived.target == "/public/marker" && arrived.body.is_empty();
        let kept = arrived.pop_if(is_marker).is_some();
        if kept {
            replies.pop();
        }
        for arrived in &arrived {
            assert_true(arrived, door.user, "http");
        }
        Outcome { replies, kept, arrived }
    }

    /// On every door: refused so, and nothing reaches the upstream.
    pub(crate) async fn refuses(&self, ask: &Ask, status: u16, code: &str) {
        self.refuses_bytes(&ask.http1(), status, code).await;
        if !ask.is_http2() {
            return;
        }
        for door in self.doors() {
            // A reset is a refusal too: much of this HTTP/2 itself does not carry.
            let answer = self.ask_http2(&door, ask).await;
            let refused = match &answer {
                Some((got, said)) if !code.is_empty() => (*got, said.as_str()) == (status, code),
                Some((got, _)) => (400..500).contains(got),
                None => true,
            };
            assert!(refused, "{ask:?} on {door:?}: {answer:?}");
            assert!(self.recorder.take().is_empty(), "{ask:?} on {door:?}");
        }
    }

    /// The same for bytes.
    pub(crate) async fn refuses_bytes(&self, bytes: &str, status: u16, code: &str) {
        for door in self.doors() {
            let outcome = self.send(&door, bytes).await;
            let first = outcome.replies.first().map(|reply| (reply.status, reply.code.as_str()));
            assert_eq!(first, Some((status, code)), "{bytes:?} on {door:?}");
            assert!(outcome.arrived.is_empty(), "{bytes:?} on {door:?}: {:?}", outcome.arrived);
            assert_eq!(outcome.replies.len(), 1, "{bytes:?} on {door:?}: {:?}", outcome.replies);
        }
    }

    /// On every door: arrives once and is answered by the upstream. Gives back what arrived.
    pub(crate) async fn passes(&self, ask: &Ask) -> Vec<Arrived> {
        let mut all = self.passes_bytes(&ask.http1(), true).await;
        if ask.is_http2() {
            for door in self.doors() {
                let answer = self.ask_http2(&door, ask).await;
                assert_eq!(answer.map(|(status, _)| status), Some(200), "{ask:?} on {door:?}");
                let mut arrived = self.recorder.take();
                assert_eq!(arrived.len(), 1, "{ask:?} on {door:?}");
                assert_true(&arrived[0], door.user, "https");
                all.append(&mut arrived);
            }
        }
        all
    }

    async fn ask_http2(&self, door: &Door, ask: &Ask) -> Option<(u16, String)> {
        let pseudo = [
            (":method", ask.method.clone()),
            (":scheme", "https".into()),
            (":authority", "localhost".into()),
            (":path", ask.target.replace("{path}", door.path)),
        ];
        let authorization = door.token.as_ref().map(|token| ("authorization", format!("Bearer {token}")));
        let fields = pseudo.into_iter().chain(authorization).map(|(name, value)| (name.to_owned(), value));
        let headers = ask.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
        self.tls.ask(self.encrypted.address, &fields.chain(headers).collect::<Vec<_>>()).await
    }

    /// The same for bytes; `kept` says whether the connection serves on.
    pub(crate) async fn passes_bytes(&self, bytes: &str, kept: bool) -> Vec<Arrived> {
        let mut all = Vec::new();
        for door in self.doors() {
            let outcome = self.send(&door, bytes).await;
            let statuses: Vec<_> = outcome.replies.iter().map(|reply| reply.status).collect();
            assert_eq!((&statuses[..], outcome.kept), (&[200][..], kept), "{bytes:?} on {door:?}");
            let [arrived] = &outcome.arrived[..] else { panic!("{bytes:?} on {door:?}: {outcome:?}") };
            all.push(arrived.clone());
        }
        all
    }
}

/// Who is calling, by the gateway's signature; fails the test when a service would not believe it.
pub(crate) fn caller(arrived: &Arrived) -> Caller {
    let root = RootKey::new(secret::parse_key(IDENTITY_KEY).unwrap());
    let verifier = Verifier::new("orders", vec![root.upstream("orders")]);
    verifier.verify(&arrived.method, &arrived.uri(), &arrived.headers, now()).expect("signed by the gateway")
}

/// The upstream was told exactly who is calling from where, once each, and nothing that looks like it beside it.
#[track_caller]
pub(crate) fn assert_true(arrived: &Arrived, user: &str, proto: &str) {
    let caller = caller(arrived);
    assert_eq!(caller.user.as_ref().map_or("", |user| user.id.as_str()), user, "{}", arrived.head);
    assert_eq!(arrived.values("x-forwarded-for"), ["127.0.0.1"], "{}", arrived.head);
    assert_eq!(arrived.values("x-forwarded-proto"), [proto], "{}", arrived.head);
    assert!(arrived.values("authorization").is_empty(), "{}", arrived.head);
    let (email, role, session) =
        if user.is_empty() { ("", "", "") } else { ("ann@example.com", "USER", "s-1") };
    for (name, value) in
        [("x-user-id", user), ("x-user-email", email), ("x-user-role", role), ("x-session-id", session)]
    {
        assert_eq!(arrived.values(name), [value], "{name} of {}", arrived.head);
    }
    let mut ours: Vec<_> = arrived
        .headers
        .keys()
        .filter(|name| identity::family(name.as_str()).is_some())
        .map(ToString::to_string)
        .collect();
    ours.sort_unstable();
    assert_eq!(ours, INJECTED, "{}", arrived.head);
}

const INJECTED: [&str; 10] = [
    "signature",
    "signature-input",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
    "x-session-id",
    "x-user-email",
    "x-user-id",
    "x-user-role",
];
