//! Who is calling, as arguments of handlers.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use identity::{Client, User};

use crate::rejection::Rejection;

/// The verified caller, anonymous or not. Without the [`crate::verify`] layer: 401 `identity_required`.
#[derive(Debug, Clone)]
pub struct Caller(pub(crate) Arc<identity::Caller>);

impl Deref for Caller {
    type Target = identity::Caller;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Tells a layer outside [`crate::verify`] who called, whether the handler answers or not: the layer puts a clone into the
/// request's extensions and looks into its own when it logs.
#[derive(Debug, Clone, Default)]
pub struct CallerSlot(Arc<OnceLock<Caller>>);

impl CallerSlot {
    /// The verified caller, once there is one.
    #[must_use]
    pub fn get(&self) -> Option<&Caller> {
        self.0.get()
    }

    /// A slot that is full stays as it is: the outermost `verify` counts.
    pub(crate) fn fill(&self, caller: &Caller) {
        let _ = self.0.set(caller.clone());
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        Rejection::caller(&parts.extensions)
    }
}

/// The authenticated user: an anonymous caller gets 401 `unauthenticated`, a client 403 `forbidden`.
///
/// `Option<CurrentUser>` is `None` for an anonymous caller, and still refuses a client and what the gateway did not sign.
#[derive(Debug, Clone)]
pub struct CurrentUser(pub User);

impl Deref for CurrentUser {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        let caller = Rejection::caller(&parts.extensions)?;
        caller.user.clone().map(Self).ok_or_else(|| Rejection::no_user(&caller))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for CurrentUser {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Rejection> {
        let caller = Rejection::caller(&parts.extensions)?;
        match &caller.user {
            Some(user) => Ok(Some(Self(user.clone()))),
            None if caller.is_anonymous() => Ok(None),
            None => Err(Rejection::no_user(&caller)),
        }
    }
}

/// The client that calls on its own behalf: an anonymous caller gets 401 `unauthenticated`, a user 403 `forbidden`.
///
/// Which clients come this far the gateway's route says (`access = { clients = […] }`).
#[derive(Debug, Clone)]
pub struct CurrentClient(pub Client);

impl Deref for CurrentClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentClient {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        let caller = Rejection::caller(&parts.extensions)?;
        caller.client.clone().map(Self).ok_or_else(|| Rejection::no_client(&caller))
    }
}
