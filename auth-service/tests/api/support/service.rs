//! The real binary.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use axum::body::Body;
use axum::http::Request;
use process::Mode;
use test_support::reqwest::{Client, Response, StatusCode};
use test_support::{TestDatabase, TestProcess, eventually, free_port};
use time::OffsetDateTime;

use super::app::JWT_SECRET;
use super::gateway::{IDENTITY_KEY, Identity, sign, sign_own};

/// The binary's environment; nothing else is inherited.
pub(crate) type Environment = Vec<(String, String)>;

/// What the binary needs in this mode to work on `database`.
pub(crate) fn environment(mode: Mode, database: &TestDatabase, changes: &[(&str, &str)]) -> Environment {
    let mode = mode.to_string();
    let usual = [
        ("APP_ENV", mode.as_str()),
        ("DATABASE_URL", database.url()),
        ("JWT_SECRET", JWT_SECRET),
        ("JWT_ISSUER", "https://shop.example"),
        ("ALLOWED_ORIGINS", "https://shop.example"),
        ("IDENTITY_KEY", IDENTITY_KEY),
        ("BCRYPT_COST", "10"),
    ];
    let pairs = usual.iter().chain(changes);
    pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The binary, about to be started.
pub(crate) fn command(arguments: &[&str], environment: &Environment) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    // Not the repository's folder: a developer's .env is no part of a test.
    command.args(arguments).env_clear().envs(environment.iter().cloned()).current_dir(std::env::temp_dir());
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str], environment: &Environment, input: &str) -> Output {
    let mut command = command(arguments, environment);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("the input is read");
    child.wait_with_output().expect("the binary ends")
}

/// What it wrote to standard output.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it complained about; it must have failed.
#[track_caller]
pub(crate) fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{}", stdout(output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `serve`, running.
pub(crate) struct Service {
    pub(crate) process: TestProcess,
    public: String,
    private: String,
    client: Client,
}

impl Service {
    pub(crate) fn start(mut environment: Environment) -> Self {
        let (public, private) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        environment.push(("LISTEN".to_owned(), public.clone()));
        environment.push(("ADMIN_LISTEN".to_owned(), private.clone()));
        let process = TestProcess::spawn("auth-service", command(&["serve"], &environment));
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { process, public, private, client }
    }

    pub(crate) async fn ready(self) -> Self {
        eventually("the service is ready", async || {
            let answer = self.private("/readyz").await?;
            (answer.0 == StatusCode::OK).then_some(())
        })
        .await;
        self
    }

    /// What the private listener answers, if anybody listens.
    pub(crate) async fn private(&self, path: &str) -> Option<(StatusCode, String)> {
        let answer = self.client.get(format!("http://{}{path}", self.private)).send().await.ok()?;
        Some((answer.status(), answer.text().await.ok()?))
    }

    /// Sends a request as the gateway would, for nobody in particular.
    pub(crate) async fn send(&self, request: Request<String>) -> Response {
        self.try_send(request).await.expect("an answer")
    }

    /// Sends a request that the gateway makes on its own behalf.
    pub(crate) async fn ask(&self, mut request: Request<Body>) -> Response {
        sign_own(&mut request);
        let url = format!("http://{}{}", self.public, request.uri());
        self.client.get(url).headers(request.headers().clone()).send().await.expect("an answer")
    }

    pub(crate) async fn try_send(&self, request: Request<String>) -> test_support::reqwest::Result<Response> {
        let (parts, body) = request.into_parts();
        let mut signed = Request::from_parts(parts, Body::empty());
        sign(
            &mut signed,
            &Identity::default(),
            "203.0.113.7",
            "auth",
            OffsetDateTime::now_utc().unix_timestamp(),
        );
        let url = format!("http://{}{}", self.public, signed.uri());
        self.client
            .request(signed.method().clone(), url)
            .headers(signed.headers().clone())
            .body(body)
            .send()
            .await
    }
}
