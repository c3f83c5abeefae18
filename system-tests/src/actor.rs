//! Somebody who is logged in, on a page of the frontend.

use serde_json::{Value, json};
use test_support::{Answer, HttpClient};

/// Every actor's password.
pub const PASSWORD: &str = "a quite unusual password";

/// The refresh cookie's name in development.
const COOKIE: &str = "refresh_token";

/// A person with an account, an access token and a refresh cookie.
#[derive(Debug)]
pub struct Actor {
    /// The browser tab: it carries the token and the cookie.
    pub client: HttpClient,
    /// The address that they log in with.
    pub email: String,
    /// The answer to their login.
    pub login: Value,
}

impl Actor {
    /// Logs in; it must succeed.
    pub async fn log_in(client: HttpClient, email: &str) -> Self {
        let answer =
            client.post("/api/auth/login", &json!({"email": email, "password": PASSWORD})).await.expect(200);
        let login = answer.json();
        client.set_bearer(login["accessToken"].as_str());
        Self { client, email: email.to_owned(), login }
    }

    /// The access token that the login gave.
    pub fn access_token(&self) -> &str {
        self.login["accessToken"].as_str().expect("an access token")
    }

    /// The refresh token in the cookie jar.
    pub fn refresh_token(&self) -> String {
        self.client.cookie(COOKIE).expect("a refresh cookie")
    }

    /// Puts an older refresh token back, as an attacker who copied it, or a tab that missed an answer, would have it.
    pub fn present(&self, refresh_token: &str) {
        self.client.store_cookie(&format!("{COOKIE}={refresh_token}; Path=/api/auth"));
    }

    /// Asks for new tokens with the cookie in the jar; whatever the answer is.
    pub async fn refresh(&self) -> Answer {
        self.client.post_empty("/api/auth/refresh").await
    }

    /// Asks for new tokens, which must succeed, and answers the refresh token afterwards.
    pub async fn refreshed(&self) -> String {
        self.refresh().await.expect(200);
        self.refresh_token()
    }

    /// Places an order of one kind of thing; it must succeed.
    pub async fn place_order(&self, sku: &str) -> Value {
        let order =
            json!({"currency": "EUR", "items": [{"sku": sku, "quantity": 2, "unitPriceMinor": 1_250}]});
        self.client.post("/api/orders", &order).await.expect(201).json()
    }
}
