//! An HTTP client that behaves like a frontend: one base address, a cookie jar, an `Origin`, a bearer token.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use crate::cookies::{CookieJar, SetCookie};

/// A client of one server, with the state that a browser tab would have.
#[derive(Debug)]
pub struct HttpClient {
    base: String,
    client: reqwest::Client,
    origin: Option<String>,
    bearer: Mutex<Option<String>>,
    jar: Mutex<CookieJar>,
    witness: Option<Witness>,
}

/// Told of every answer, with the method and the path that were asked for.
pub type Witness = fn(&Method, &str, &Answer);

/// One answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

impl HttpClient {
    /// A client of `base`, such as `http://127.0.0.1:20001`: no proxy, no redirects followed.
    pub fn new(base: impl Into<String>) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a plain HTTP client");
        Self::with(base, client)
    }

    /// A client around a `reqwest` client of the caller's, for TLS and timeouts of its own.
    pub fn with(base: impl Into<String>, client: reqwest::Client) -> Self {
        Self {
            base: base.into(),
            client,
            origin: None,
            bearer: Mutex::default(),
            jar: Mutex::default(),
            witness: None,
        }
    }

    /// Sends `Origin` with every request, as a page of that origin would.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Lets somebody judge every answer.
    #[must_use]
    pub fn witnessed(self, witness: Witness) -> Self {
        Self { witness: Some(witness), ..self }
    }

    /// Sends this access token from now on; `None` sends none.
    pub fn set_bearer(&self, token: Option<&str>) {
        *lock(&self.bearer) = token.map(str::to_owned);
    }

    /// The value of a cookie that the client holds.
    pub fn cookie(&self, name: &str) -> Option<String> {
        lock(&self.jar).get(name).map(str::to_owned)
    }

    /// Puts a `Set-Cookie` line into the jar, as if the server had sent it.
    pub fn store_cookie(&self, line: &str) {
        lock(&self.jar).store(line);
    }

    /// Forgets every cookie.
    pub fn forget_cookies(&self) {
        *lock(&self.jar) = CookieJar::default();
    }

    /// A request with everything the client carries; send it with [`HttpClient::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(origin) = &self.origin {
            request = request.header(ORIGIN, origin);
        }
        if let Some(token) = &*lock(&self.bearer) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let bare_path = path.split('?').next().unwrap_or(path);
        if let Some(cookies) = lock(&self.jar).header(bare_path) {
            request = request.header(COOKIE, cookies);
        }
        request
    }

    /// Sends a request and keeps the cookies of its answer.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    /// [`HttpClient::send`] where no answer at all is a result too.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let (client, request) = request.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = client.execute(request).await?;
        for line in response.headers().get_all(SET_COOKIE) {
            lock(&self.jar).store(line.to_str().expect("a cookie in ASCII"));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = Answer { status, headers, body: response.bytes().await?.to_vec() };
        if let Some(witness) = self.witness {
            witness(&method, &path, &answer);
        }
        Ok(answer)
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// `DELETE path`.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// `POST path` without a body.
    pub async fn post_empty(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `PATCH path` with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }
}

impl Answer {
    /// The body as JSON; fails the test with the body's text when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} is no JSON ({error}): {}", self.status, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The problem's `code`; fails the test when the body is no problem.
    pub fn code(&self) -> String {
        let body = self.json();
        body["code"].as_str().unwrap_or_else(|| panic!("{} without a code: {body}", self.status)).to_owned()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The answer's `Set-Cookie` lines, taken apart.
    pub fn set_cookies(&self) -> Vec<SetCookie> {
        self.headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|line| SetCookie::parse(line.to_str().ok()?))
            .collect()
    }

    /// The answer itself if it has this status; fails the test with the body otherwise.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
