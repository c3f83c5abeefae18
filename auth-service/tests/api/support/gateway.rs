//! What the gateway does for the service: it verifies access tokens and signs who is calling.

use std::sync::LazyLock;

use api_contract::{Answer, Contract};
use auth_service::http::document::document;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use identity::{Message, Signer, UpstreamKey, names};
use secret::Secret;
use time::OffsetDateTime;
use tower::ServiceExt as _;
use uuid::Uuid;

use super::reply::Reply;

/// The key that the gateway and the service share.
pub(crate) const IDENTITY_KEY: &str = "kJ3Sx1iYw0c9m2xH8b7zQnVt5rLq4uEoGf6dPaTs1Wk=";

/// What the service says of itself: every answer is held to it.
static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::new([document()]));

/// Who is calling; the default is nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) session: String,
}

#[derive(Clone)]
pub(crate) struct Gateway {
    router: Router,
}

impl Gateway {
    pub(crate) fn new(router: Router) -> Self {
        Self { router }
    }

    /// Signs a request as coming from `address` and forwards it.
    pub(crate) async fn forward(
        &self,
        mut request: Request<Body>,
        caller: &Identity,
        address: &str,
    ) -> Reply {
        sign(&mut request, caller, address, "auth", OffsetDateTime::now_utc().unix_timestamp());
        self.send_unsigned(request).await
    }

    /// An answer whose body is still to come, to a request that the gateway makes on its own behalf.
    pub(super) async fn ask(&self, mut request: Request<Body>) -> Response<Body> {
        sign_own(&mut request);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.expect("axum never fails");
        let (status, headers) = (response.status(), response.headers());
        CONTRACT.uphold(&Answer { method: &method, path: &path, status, headers, body: None });
        response
    }

    /// The request as it is: what somebody inside the network could send past the gateway.
    pub(crate) async fn send_unsigned(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.expect("axum never fails");
        let reply = Reply::read(response).await;
        let Reply { status, headers, body } = &reply;
        CONTRACT.uphold(&Answer { method: &method, path: &path, status: *status, headers, body: Some(body) });
        reply
    }
}

/// Puts the identity, forwarded and signature headers on a request.
pub(crate) fn sign(
    request: &mut Request<Body>,
    caller: &Identity,
    address: &str,
    key_id: &str,
    created: i64,
) {
    sign_forwarded(request, caller, [address, "https", "shop.example"], key_id, created);
}

/// Signs a request that the gateway makes on its own behalf.
pub(super) fn sign_own(request: &mut Request<Body>) {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    sign_forwarded(request, &Identity::default(), ["", "", ""], "auth", now);
}

fn sign_forwarded(
    request: &mut Request<Body>,
    caller: &Identity,
    [address, proto, host]: [&str; 3],
    key_id: &str,
    created: i64,
) {
    let request_id = Uuid::now_v7().to_string();
    let encoded = [&caller.user, &caller.email, &caller.role, &caller.session]
        .map(|text| identity::encode(text).into_owned());
    let [user, email, role, session] = &encoded;
    let message = Message {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query(),
        request_id: request_id.as_bytes(),
        forwarded_for: address.as_bytes(),
        forwarded_proto: proto.as_bytes(),
        forwarded_host: host.as_bytes(),
        user_id: user.as_bytes(),
        user_email: email.as_bytes(),
        user_role: role.as_bytes(),
        session_id: session.as_bytes(),
    };
    let key = UpstreamKey::new(Secret::new(STANDARD.decode(IDENTITY_KEY).expect("base64")));
    let signature = Signer::new(key_id, &key).sign(&message, created);
    let headers = request.headers_mut();
    for (name, value) in [
        (&names::REQUEST_ID, request_id.as_str()),
        (&names::FORWARDED_FOR, address),
        (&names::FORWARDED_PROTO, proto),
        (&names::FORWARDED_HOST, host),
        (&names::USER_ID, user),
        (&names::USER_EMAIL, email),
        (&names::USER_ROLE, role),
        (&names::SESSION_ID, session),
    ] {
        headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
    }
    headers.insert(&names::SIGNATURE_INPUT, signature.input);
    headers.insert(&names::SIGNATURE, signature.signature);
}
