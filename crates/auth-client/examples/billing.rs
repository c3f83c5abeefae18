//! An internal service, whole: it adds up what customers owe, for whoever shows it an administrator's access token.
//!
//! It checks that token by itself, with the published keys, and asks the orders API through the gateway with a token of its
//! own, on a route that names its client. Made with
//! `auth-service clients create --id billing --scope introspect`, run with
//! `CLIENT_SECRET=… JWT_ISSUER=… AUTH_URL=http://127.0.0.1:8081 GATEWAY_URL=http://127.0.0.1:8080 LISTEN=127.0.0.1:8090`.

use std::net::SocketAddr;
use std::sync::Arc;

use auth_client::{CallError, Client, Verifier, VerifyError};
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use process::Settings;
use serde_json::{Value, json};

/// What every request needs.
struct Billing {
    client: Client,
    verifier: Verifier,
    http: reqwest::Client,
    orders: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut settings = Settings::load();
    let [auth, gateway, secret, issuer] =
        ["AUTH_URL", "GATEWAY_URL", "CLIENT_SECRET", "JWT_ISSUER"].map(|name| settings.required(name));
    let listen = settings.address("LISTEN", SocketAddr::from(([127, 0, 0, 1], 8090)));
    settings.finish()?;
    let client = Client::builder(auth, "billing", secret).build()?;
    let verifier = client.verifier(&issuer, "portcullis");
    let http = reqwest::Client::builder().no_proxy().build()?;
    let billing =
        Billing { client, verifier, http, orders: format!("{gateway}/api/services/orders?limit=100") };
    let router = Router::new().route("/totals", get(show_totals)).with_state(Arc::new(billing));
    axum::serve(tokio::net::TcpListener::bind(listen).await?, router).await?;
    Ok(())
}

/// `GET /totals`: what is owed in each currency, of the hundred newest orders.
async fn show_totals(
    State(billing): State<Arc<Billing>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let token = bearer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let claims = billing.verifier.verify(token).await.map_err(|error| match error {
        VerifyError::Refused(_) => StatusCode::UNAUTHORIZED,
        VerifyError::NoKeys(_) => StatusCode::SERVICE_UNAVAILABLE,
    })?;
    // A client's token verifies just as well: who may do this is for us to say.
    if claims.is_client() || claims.role.as_deref() != Some("ADMIN") {
        return Err(StatusCode::FORBIDDEN);
    }
    let orders = billing.orders().await?;
    Ok(Json(json!({"for": claims.sub, "totals": totals(&orders)})))
}

impl Billing {
    /// Asks with a token of our own, and once more with a newer one if that was refused: somebody may have rotated our secret.
    async fn orders(&self) -> Result<Value, StatusCode> {
        for _ in 0..2 {
            let token = self.client.token().await.map_err(unavailable)?;
            let request = self.http.get(&self.orders).header(AUTHORIZATION, token.header());
            let answer = request.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
            match answer.status() {
                reqwest::StatusCode::UNAUTHORIZED => self.client.forget(&token),
                reqwest::StatusCode::OK => return answer.json().await.map_err(|_| StatusCode::BAD_GATEWAY),
                _ => return Err(StatusCode::BAD_GATEWAY),
            }
        }
        Err(StatusCode::BAD_GATEWAY)
    }
}

fn unavailable(error: CallError) -> StatusCode {
    if error.is_temporary() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok()?.strip_prefix("Bearer ")
}

fn totals(orders: &Value) -> Value {
    let mut totals = serde_json::Map::new();
    for order in orders["items"].as_array().into_iter().flatten() {
        let (currency, total) = (order["currency"].as_str(), order["totalMinor"].as_u64());
        let Some((currency, total)) = currency.zip(total) else { continue };
        let sum = totals.get(currency).and_then(Value::as_u64).unwrap_or_default() + total;
        totals.insert(currency.to_owned(), sum.into());
    }
    Value::Object(totals)
}
