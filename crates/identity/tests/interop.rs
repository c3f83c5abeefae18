//! Our signatures, verified by somebody else's RFC 9421 library: `http-message-signatures` from PyPI, in a virtual
//! environment under `target/`. Needs `python3` with `venv`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use identity::{Message, RootKey, Signer, UpstreamKey, encode};
use secret::Secret;
use serde::Serialize;

#[derive(Serialize, Clone)]
struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    key: String,
}

#[derive(Clone, Copy)]
struct Who<'a> {
    id: &'a str,
    email: &'a str,
    role: &'a str,
    session: &'a str,
}

const ANN: Who<'_> = Who { id: "ann", email: "zoë 100%@shop.example", role: "USER", session: "s1" };
const NOBODY: Who<'_> = Who { id: "", email: "", role: "", session: "" };

fn key(upstream: &str) -> UpstreamKey {
    RootKey::new(Secret::new((0..32).map(|byte| byte * 5 + 1).collect())).upstream(upstream)
}

fn signed(who: Who<'_>, query: Option<&str>) -> Request {
    let email = encode(who.email);
    let message = Message {
        method: "GET",
        path: "/api/caf%C3%A9/%25",
        query,
        request_id: b"r-1",
        forwarded_for: b"203.0.113.9",
        forwarded_proto: b"https",
        forwarded_host: b"shop.example",
        user_id: who.id.as_bytes(),
        user_email: email.as_bytes(),
        user_role: who.role.as_bytes(),
        session_id: who.session.as_bytes(),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signature = Signer::new("orders", &key("orders")).sign(&message, i64::try_from(now).unwrap());
    let headers = [
        ("x-request-id", "r-1"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example"),
        ("x-user-id", who.id),
        ("x-user-email", &email),
        ("x-user-role", who.role),
        ("x-session-id", who.session),
        ("signature-input", signature.input.to_str().unwrap()),
        ("signature", signature.signature.to_str().unwrap()),
    ];
    Request {
        method: "GET".into(),
        url: format!(
            "http://orders.internal/api/caf%C3%A9/%25{}",
            query.map(|query| format!("?{query}")).unwrap_or_default()
        ),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        key: key("orders").to_base64(),
    }
}

impl Request {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers
            .iter_mut()
            .filter(|(header, _)| header == name)
            .for_each(|(_, old)| value.clone_into(old));
        self
    }

    fn adding(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

#[test]
fn another_partys_library_agrees() {
    let user = signed(ANN, Some("limit=20&cursor=a%2Fb"));
    let nobody = signed(NOBODY, None);
    let accepted = [user.clone(), nobody.clone(), signed(ANN, Some(""))];
    let refused = [
        nobody.clone().with("x-user-role", "ADMIN"),
        nobody.clone().adding("x-user-role", "ADMIN"),
        nobody.with("x-user-id", "ann").with("x-user-role", "ADMIN").with("x-session-id", "s1"),
        user.clone().with("x-user-email", "bob@shop.example"),
        user.clone().with("x-forwarded-for", "10.0.0.1"),
        Request { method: "DELETE".into(), ..user.clone() },
        Request { url: "http://orders.internal/api/admin".into(), ..user.clone() },
        Request { key: key("auth").to_base64(), ..user },
    ];

    let verdicts = ask_python(&[&accepted[..], &refused[..]].concat());

    let (of_accepted, of_refused) = verdicts.split_at(accepted.len());
    assert!(of_accepted.iter().all(|verdict| verdict == "accepted"), "{of_accepted:?}");
    assert!(of_refused.iter().all(|verdict| verdict != "accepted"), "{of_refused:?}");
    assert_eq!(of_refused.len(), refused.len());
}

fn ask_python(requests: &[Request]) -> Vec<String> {
    let mut python = Command::new(test_support::python_with("identity", &["http-message-signatures==3.0.0"]))
        .arg(folder().join("verify.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(&serde_json::to_vec(requests).unwrap()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "verify.py failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}
