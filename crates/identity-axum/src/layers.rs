//! The two layers: nothing but the gateway's requests, and nothing without a role.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{OriginalUri, Request, State};
use axum::middleware::{FromFnLayer, Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use identity::Verifier;

use crate::extract::{Caller, CallerSlot};
use crate::rejection::Rejection;

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// A layer for `Router::layer`, `Router::route_layer` or a `MethodRouter`.
pub type IdentityLayer<S> = FromFnLayer<fn(State<S>, Request, Next) -> Answer, S, (State<S>, Request)>;

/// Lets in what the gateway signed for this service and puts the [`Caller`] at hand; everything else is answered
/// 401 `identity_required`. Put it around the whole router, fallbacks too.
pub fn verify(verifier: Verifier) -> IdentityLayer<Arc<Verifier>> {
    from_fn_with_state(Arc::new(verifier), |State(verifier), request, next| {
        Box::pin(admit(verifier, request, next))
    })
}

/// Lets in users with this role: 401 `unauthenticated` for an anonymous caller, 403 `forbidden` for another user and for a client.
pub fn require_role(role: &'static str) -> IdentityLayer<&'static str> {
    from_fn_with_state(role, |State(role), request, next| Box::pin(authorize(role, request, next)))
}

async fn admit(verifier: Arc<Verifier>, mut request: Request, next: Next) -> Response {
    // A nested router sees a shortened path; the signature is over the one that was sent.
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
    match verifier.verify(request.method(), uri, request.headers(), now()) {
        Ok(caller) => {
            let caller = Caller(Arc::new(caller));
            if let Some(slot) = request.extensions().get::<CallerSlot>() {
                slot.fill(&caller);
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => {
            tracing::warn!(
                reason = refusal.code(),
                "refused a request that the gateway did not sign: {refusal}"
            );
            Rejection::identity_required().into_response()
        }
    }
}

async fn authorize(role: &'static str, request: Request, next: Next) -> Response {
    let caller = match Rejection::caller(request.extensions()) {
        Ok(caller) => caller,
        Err(rejection) => return rejection.into_response(),
    };
    match &caller.user {
        Some(user) if user.role == role => next.run(request).await,
        None if caller.is_anonymous() => Rejection::unauthenticated(&caller).into_response(),
        _ => Rejection::forbidden(role, &caller).into_response(),
    }
}

/// Unix seconds. A clock before 1970 gives 0, at which every signature comes from the future.
fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_secs().try_into().unwrap_or(i64::MAX)
}
