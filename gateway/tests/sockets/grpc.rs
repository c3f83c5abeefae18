//! gRPC by somebody else's client and server, through the gateway: TLS and a token in front, HTTP/2 in clear behind.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use test_support::python_with;

use crate::http2::door;
use crate::support::{Issuer, Setup};

/// The service and its client.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sockets/grpc_service.py");

fn program() -> Command {
    let mut command = Command::new(python_with("grpc", &["grpcio==1.85.3"]));
    command.arg(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The service; it ends with its input.
struct Service {
    process: Child,
    port: u16,
}

impl Service {
    fn start() -> Self {
        let mut process = program().arg("serve").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn calls_of_all_kinds_pass() {
    let (service, issuer, door) = (Service::start(), Issuer::new().await, door());
    let tables = format!("http2 = true\n{}", door.tables);
    let servers = vec![([127, 0, 0, 1], service.port).into()];
    let setup = Setup {
        servers,
        issuer: Some(&issuer),
        tables: &tables,
        timeouts: "idle = \"1s\"",
        ..Setup::default()
    };
    let gateway = setup.start().await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, door.certificate.cert.pem()).unwrap();
    let mut client = program();
    client.arg("call").arg(gateway.address.port().to_string()).arg(&ca).arg(issuer.token());
    let answered = tokio::task::spawn_blocking(move || client.spawn().unwrap().wait_with_output()).await;
    let answered = answered.unwrap().unwrap();
    assert!(answered.status.success());
    let mut answers: Value = serde_json::from_slice(&answered.stdout).unwrap();

    let who = answers.as_object_mut().unwrap().remove("who").unwrap();
    for (name, value) in [("x-user-id", "u-ann"), ("x-user-role", "USER"), ("x-mine", "m")] {
        assert_eq!(who[name], value, "{who}");
    }
    assert!(who.get("signature").is_some() && who.get("authorization").is_none(), "{who}");
    assert_eq!(
        answers,
        json!({
            "echo": "hello",
            "initial": "i",
            "trailing": ["x-trailing"],
            "large": true,
            "count": ["0", "1", "2"],
            "join": "a,b,c",
            "talk": ["A", "B"],
            "converse": ["ONE", "TWO", "THREE", "OK"],
            "listen": "go........",
            "fail": ["FAILED_PRECONDITION", "not today"],
            "late": ["ABORTED", "in the middle"],
            "nothing": ["UNIMPLEMENTED", "Method not found!"],
            "deadline": "DEADLINE_EXCEEDED",
            "after": "again",
            "stranger": "UNAUTHENTICATED",
        })
    );
}
