//! The service with a database of its own.

use std::sync::Arc;

use access_token::{Claims, KeySet, Verification};
use auth_service::app::App;
use auth_service::config::Config;
use auth_service::db::MIGRATIONS;
use auth_service::jobs::signing_keys::{LoadError, SigningKeys};
use auth_service::preparation;
use auth_service::routes::routes;
use axum::body::Body;
use axum::http::Request;
use process::Settings;
use serde_json::json;
use test_support::TestDatabase;
use test_support::tokio_postgres::Client;
use time::OffsetDateTime;

use super::actor::Actor;
use super::gateway::{Gateway, IDENTITY_KEY};

/// The page that our customers use.
pub(crate) const ORIGIN: &str = "http://localhost:3000";
/// Everybody's password.
pub(crate) const PASSWORD: &str = "kettle-7-fog-lamp";

/// The root of the service's keys.
pub(crate) const JWT_SECRET: &str = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";

pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    pub(crate) config: Config,
    pub(crate) gateway: Gateway,
    // Dropped last: the pool's connections go with the database.
    pub(crate) database: TestDatabase,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The service with settings that differ from a test's usual ones.
    pub(crate) async fn start_with(changes: &[(&str, &str)]) -> Self {
        let database = migrated_database().await;
        let url = database.url().to_owned();
        Self::start_on(database, &url, changes).await
    }

    /// The service on a database that it reaches under another address.
    pub(crate) async fn start_on(database: TestDatabase, url: &str, changes: &[(&str, &str)]) -> Self {
        let app = Self::start_unprepared(database, url, changes);
        preparation::prepare(&app.app, &app.config).await.expect("a database to serve on");
        app.load_keys().await;
        app
    }

    /// The service as it is while its database has not been seen yet.
    pub(crate) fn start_unprepared(database: TestDatabase, url: &str, changes: &[(&str, &str)]) -> Self {
        let config = config(url, changes);
        let app = Arc::new(App::new(&config).expect("the service starts"));
        let gateway = Gateway::new(routes(Arc::clone(&app), config.identity.verifier()));
        Self { app, config, gateway, database }
    }

    /// Another process on the same database, with settings that differ from the first one's.
    pub(crate) async fn replica(&self, changes: &[(&str, &str)]) -> Replica {
        let config = config(self.database.url(), changes);
        let app = Arc::new(App::new(&config).expect("the replica starts"));
        preparation::prepare(&app, &config).await.expect("a database to serve on");
        let gateway = Gateway::new(routes(Arc::clone(&app), config.identity.verifier()));
        Replica { app, config, gateway }
    }

    pub(crate) async fn load_keys(&self) {
        load_keys(&self.app, &self.config).await.expect("signing keys");
    }

    /// A connection behind the service's back.
    pub(crate) async fn sql(&self) -> Client {
        self.database.client().await
    }

    /// Somebody whom nobody knows, at a browser on our page.
    pub(crate) fn visitor(&self) -> Actor {
        Actor::browser(self.gateway.clone())
    }

    /// A program, no browser.
    pub(crate) fn program(&self) -> Actor {
        Actor::program(self.gateway.clone())
    }

    /// Somebody with an account, at a browser, not logged in.
    pub(crate) async fn registered(&self, name: &str) -> Actor {
        let visitor = self.visitor();
        let account = json!({"email": email_of(name), "password": PASSWORD});
        visitor.post("/api/auth/register", &account).await.expect(201);
        visitor
    }

    /// Somebody with an account, logged in at a browser.
    pub(crate) async fn customer(&self, name: &str) -> Actor {
        let mut customer = self.registered(name).await;
        customer.log_in(name).await.expect(200);
        customer
    }

    /// Somebody with the role ADMIN, logged in at a browser.
    pub(crate) async fn admin(&self, name: &str) -> Actor {
        let mut admin = self.registered(name).await;
        let promote = "UPDATE users SET role = 'ADMIN' WHERE email = $1";
        self.sql().await.execute(promote, &[&email_of(name)]).await.expect("a promotion");
        admin.log_in(name).await.expect(200);
        admin
    }

    /// The claims of an access token, verified as the gateway does it: with the published keys.
    pub(crate) async fn verify(&self, access_token: &str) -> Claims {
        let request = Request::get("/.well-known/jwks.json").body(Body::empty()).expect("a request");
        let keys =
            KeySet::parse(&self.gateway.send_unsigned(request).await.expect(200).body).expect("a key set");
        let verification =
            Verification { issuer: "http://localhost:8080".to_owned(), audience: "portcullis".to_owned() };
        verification
            .verify(access_token, &keys, OffsetDateTime::now_utc().unix_timestamp())
            .expect("a good token")
    }

    /// Whether a gateway that has heard of everything would let an access token with these claims in.
    pub(crate) async fn is_accepted(&self, claims: &Claims) -> bool {
        let revoked = "SELECT EXISTS (SELECT FROM revocations WHERE session_id = $1::text::uuid \
                       OR user_id = $2::text::uuid AND least_epoch > $3)";
        let epoch = i32::try_from(claims.epoch).expect("a small number");
        let row = self.sql().await.query_one(revoked, &[&claims.sid, &claims.sub, &epoch]).await;
        !row.expect("an answer").get::<_, bool>(0)
    }

    /// Of one account, why its sessions ended, the oldest first.
    pub(crate) async fn ends(&self, user: &str) -> Vec<Option<String>> {
        let query = "SELECT ended_reason FROM sessions WHERE user_id = $1::text::uuid ORDER BY id";
        let rows = self.sql().await.query(query, &[&user]).await.expect("an answer");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The newest row of this kind in the audit trail, as one object.
    pub(crate) async fn audited(&self, kind: &str) -> serde_json::Value {
        let query =
            "SELECT to_jsonb(audit_events)::text FROM audit_events WHERE kind = $1 ORDER BY id DESC LIMIT 1";
        let row = self.sql().await.query_one(query, &[&kind]).await.expect("an audit row");
        serde_json::from_str(row.get(0)).expect("JSON")
    }

    /// Makes every session look as if it had been rotated that much longer ago.
    pub(crate) async fn let_pass(&self, interval: &str) {
        let shift = format!(
            "UPDATE sessions SET rotated_at = rotated_at - interval '{interval}', expires_at = expires_at - interval '{interval}'"
        );
        self.sql().await.batch_execute(&shift).await.expect("time passes");
    }
}

/// A further process on the database of a [`TestApp`].
pub(crate) struct Replica {
    pub(crate) app: Arc<App>,
    pub(crate) config: Config,
    pub(crate) gateway: Gateway,
}

impl Replica {
    pub(crate) async fn load_keys(&self) -> Result<(), LoadError> {
        load_keys(&self.app, &self.config).await
    }
}

async fn load_keys(app: &App, config: &Config) -> Result<(), LoadError> {
    let store = Arc::clone(&app.signing_keys);
    SigningKeys::new(app.database.clone(), config.tokens.locksmith(), store).load().await
}

pub(crate) fn email_of(name: &str) -> String {
    format!("{name}@example.com")
}

pub(crate) async fn migrated_database() -> TestDatabase {
    TestDatabase::create("auth", async |url: &str| {
        database::migrations::run(&url.parse()?, MIGRATIONS).await?;
        Ok(())
    })
    .await
}

fn config(url: &str, changes: &[(&str, &str)]) -> Config {
    let usual = [
        ("APP_ENV", "development"),
        ("DATABASE_URL", url),
        ("DATABASE_POOL", "8"),
        ("JWT_SECRET", JWT_SECRET),
        ("IDENTITY_KEY", IDENTITY_KEY),
        ("BCRYPT_COST", "4"),
        ("ALLOW_BOOTSTRAP", "false"),
        // Everybody comes from one address; the stories about limits set them.
        ("THROTTLE_ACCOUNT_ADDRESS", "off"),
        ("THROTTLE_ACCOUNT", "off"),
        ("THROTTLE_SECOND_FACTOR", "off"),
        ("THROTTLE_ADDRESS", "off"),
        ("THROTTLE_REGISTRATION", "off"),
        ("THROTTLE_MAIL", "off"),
    ];
    let pairs = usual.into_iter().chain(changes.iter().copied());
    Config::read(Settings::from_pairs(pairs)).expect("usable settings")
}
