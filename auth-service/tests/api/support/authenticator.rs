//! Somebody's authenticator app.

use axum::http::Method;
use serde_json::json;
use time::OffsetDateTime;
use totp_rs::{Builder, Secret};

use super::actor::{Actor, credentials};
use super::app::{PASSWORD, TestApp};
use super::reply::Reply;

/// An app that has been told a secret, and the recovery codes that were written down.
#[derive(Debug, Clone)]
pub(crate) struct Authenticator {
    pub(crate) secret: String,
    pub(crate) recovery_codes: Vec<String>,
}

impl Authenticator {
    /// Enrols the app and does not confirm it.
    pub(crate) async fn enrol(owner: &Actor) -> Self {
        let password = json!({"currentPassword": PASSWORD});
        let told = owner.post("/api/auth/second-factor", &password).await.expect(200);
        Self { secret: told.text("secret"), recovery_codes: Vec::new() }
    }

    /// Confirms the app.
    pub(crate) async fn confirm(&mut self, owner: &Actor) {
        let confirmed = owner.post("/api/auth/second-factor/confirm", &json!({"code": self.code(0)})).await;
        let body = confirmed.expect(200).json();
        let codes = body["recoveryCodes"].as_array().expect("codes").iter();
        self.recovery_codes = codes.map(|code| code.as_str().expect("a code").to_owned()).collect();
    }

    /// The code that is shown so many steps from now. One step more or less is let in; the next one is the one that a test may
    /// lean on when a step may end meanwhile.
    pub(crate) fn code(&self, steps: i64) -> String {
        let now = OffsetDateTime::now_utc().unix_timestamp() + steps * 30;
        let secret = Secret::try_from_base32(&self.secret).expect("base32");
        let totp = Builder::new().with_secret(secret).build().expect("a secret of 160 bits");
        totp.generate(u64::try_from(now).expect("after 1970")).to_string()
    }

    /// A code that is wrong now and for a while.
    pub(crate) fn wrong_code(&self) -> String {
        let good: Vec<_> = (-3..=3).map(|steps| self.code(steps)).collect();
        let wrong = (0..10).map(|digit: u8| format!("00000{digit}")).find(|code| !good.contains(code));
        wrong.expect("seven good codes are not ten")
    }
}

impl TestApp {
    /// Somebody with an account and a second factor, logged in from before it was on.
    pub(crate) async fn careful_customer(&self, name: &str) -> (Actor, Authenticator) {
        let customer = self.customer(name).await;
        let mut authenticator = Authenticator::enrol(&customer).await;
        authenticator.confirm(&customer).await;
        self.forget_codes().await;
        (customer, authenticator)
    }

    /// Makes every code look as if it had not been used.
    pub(crate) async fn forget_codes(&self) {
        let forget = "UPDATE second_factors SET last_step = NULL";
        self.sql().await.batch_execute(forget).await.expect("forgotten codes");
    }
}

impl Actor {
    /// The first step of a login: the challenge.
    pub(crate) async fn first_step(&self, name: &str) -> String {
        self.post("/api/auth/login", &credentials(name)).await.refused(403, "mfa_required").text("challenge")
    }

    /// The second step. Afterwards, if it succeeds, the gateway knows who is calling.
    pub(crate) async fn second_step(&mut self, challenge: &str, code: &str) -> Reply {
        let body = json!({"challenge": challenge, "code": code});
        let reply = self.send(Method::POST, "/api/auth/login/second-factor", &body).await;
        self.learn_identity(&reply);
        reply
    }
}
