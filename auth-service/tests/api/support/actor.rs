//! Somebody who uses the service: a browser with its cookies, or a program without.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, ORIGIN as ORIGIN_HEADER, SET_COOKIE, USER_AGENT};
use axum::http::request::Builder;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use test_support::CookieJar;

use super::app::{ORIGIN, PASSWORD, email_of};
use super::gateway::{Gateway, Identity};
use super::reply::Reply;

#[derive(Clone)]
pub(crate) struct Actor {
    gateway: Gateway,
    pub(crate) jar: CookieJar,
    pub(crate) identity: Identity,
    origin: Option<&'static str>,
    pub(crate) address: String,
}

impl Actor {
    pub(crate) fn browser(gateway: Gateway) -> Self {
        Self {
            gateway,
            jar: CookieJar::default(),
            identity: Identity::default(),
            origin: Some(ORIGIN),
            address: "203.0.113.7".to_owned(),
        }
    }

    pub(crate) fn program(gateway: Gateway) -> Self {
        Self { origin: None, ..Self::browser(gateway) }
    }

    /// The same browser on a page of another origin; `None`: on no page at all.
    pub(crate) fn on_page(&self, origin: Option<&'static str>) -> Self {
        Self { origin, ..self.clone() }
    }

    /// The same browser, its next request handled by another replica.
    pub(crate) fn at(&self, gateway: &Gateway) -> Self {
        Self { gateway: gateway.clone(), ..self.clone() }
    }

    /// The same person somewhere else.
    pub(crate) fn at_address(&self, address: &str) -> Self {
        Self { address: address.to_owned(), ..self.clone() }
    }

    /// The refresh cookie that the browser holds.
    pub(crate) fn cookie(&self) -> String {
        self.jar.get("refresh_token").expect("a refresh cookie").to_owned()
    }

    pub(crate) fn has_cookie(&self) -> bool {
        self.jar.get("refresh_token").is_some()
    }

    /// Puts another value into the cookie.
    pub(crate) fn set_cookie(&mut self, value: &str) {
        self.jar.store(&format!("refresh_token={value}; Path=/api/auth"));
    }

    /// Logs in with everybody's password. Afterwards the gateway knows who is calling.
    pub(crate) async fn log_in(&mut self, name: &str) -> Reply {
        self.log_in_with(name, PASSWORD).await
    }

    /// The same with a password of one's own.
    pub(crate) async fn log_in_with(&mut self, name: &str, password: &str) -> Reply {
        let body = json!({"email": email_of(name), "password": password});
        let reply = self.send(Method::POST, "/api/auth/login", &body).await;
        self.learn_identity(&reply);
        reply
    }

    /// Logs in as a program does, and keeps nothing: the tokens are in the reply.
    pub(crate) async fn log_in_for_body(&self, name: &str) -> Reply {
        let mut body = credentials(name);
        body["tokenDelivery"] = json!("body");
        self.post("/api/auth/login", &body).await
    }

    /// Refreshes with the cookie and keeps the next one.
    pub(crate) async fn refresh(&mut self) -> Reply {
        self.send_empty("/api/auth/refresh").await
    }

    pub(crate) async fn log_out(&mut self) -> Reply {
        self.send_empty("/api/auth/logout").await
    }

    /// Posts JSON and forgets what cookies come back.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.clone().send(Method::POST, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let request = self.request(Method::GET, path).body(Body::empty()).expect("a request");
        self.forward(request).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        let request = self.request(Method::DELETE, path).body(Body::empty()).expect("a request");
        self.forward(request).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.clone().send(Method::PATCH, path, body).await
    }

    pub(crate) async fn log_out_everywhere(&mut self) -> Reply {
        self.send_empty("/api/auth/logout-all").await
    }

    pub(crate) async fn change_password(&self, current: &str, new: &str) -> Reply {
        self.post("/api/auth/password", &json!({"currentPassword": current, "newPassword": new})).await
    }

    /// A request with everything that the actor sends; to be completed by the story.
    pub(crate) fn request(&self, method: Method, path: &str) -> Builder {
        let mut builder = Request::builder().method(method).uri(path).header(USER_AGENT, "story/1.0");
        if let Some(origin) = self.origin {
            builder = builder.header(ORIGIN_HEADER, origin);
        }
        if let Some(cookies) = self.jar.header(path) {
            builder = builder.header(COOKIE, cookies);
        }
        builder
    }

    pub(crate) async fn forward(&self, request: Request<Body>) -> Reply {
        self.gateway.forward(request, &self.identity, &self.address).await
    }

    pub(super) async fn send(&mut self, method: Method, path: &str, body: &Value) -> Reply {
        let request = self.request(method, path).header(CONTENT_TYPE, "application/json");
        self.finish(request.body(Body::from(body.to_string())).expect("a request")).await
    }

    async fn send_empty(&mut self, path: &str) -> Reply {
        let request = self.request(Method::POST, path).body(Body::empty()).expect("a request");
        self.finish(request).await
    }

    async fn finish(&mut self, request: Request<Body>) -> Reply {
        let reply = self.forward(request).await;
        for line in reply.headers.get_all(SET_COOKIE) {
            self.jar.store(line.to_str().expect("ASCII"));
        }
        reply
    }

    /// What the gateway reads off the access token.
    pub(crate) fn learn_identity(&mut self, reply: &Reply) {
        if !reply.status.is_success() {
            return;
        }
        let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(reply.text("accessToken"))
            .expect("a JWT")
            .claims;
        let claim = |name: &str| claims[name].as_str().expect(name).to_owned();
        self.identity = Identity {
            user: claim("sub"),
            email: claim("email"),
            role: claim("role"),
            session: claim("sid"),
        };
    }
}

pub(crate) fn credentials(name: &str) -> Value {
    json!({"email": email_of(name), "password": PASSWORD})
}
