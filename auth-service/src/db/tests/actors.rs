//! What the stories are told with: a database, an account in it, and a client that holds a refresh token.

use std::time::Duration;

use database::Database;
use secret::Secret;
use test_support::{TestDatabase, tokio_postgres};

use crate::accounts::{Email, Role, UserId};
use crate::db::login::find_for_login;
use crate::db::sessions::{self, Refreshed};
use crate::db::users::{self, Credentials, NewUser, User};
use crate::sessions::{Delivery, Device, NewSession, Session, SessionId, SessionPolicy};
use crate::throttle::{Limits, Purpose, Refund, Subject, Throttle};
use crate::tokens::RootSecrets;
use crate::tokens::refresh_token::{Nonce, RefreshToken};

pub(super) const POLICY: SessionPolicy = SessionPolicy {
    idle: Duration::from_secs(7 * 86_400),
    absolute: Duration::from_secs(30 * 86_400),
    grace: Duration::from_secs(10),
    access: Duration::from_secs(900),
};

/// A migrated database of the test's own.
pub(super) struct World {
    pub(super) database: TestDatabase,
    pub(super) db: Database,
    /// For looking, and for moving the clock, behind the service's back.
    pub(super) sql: tokio_postgres::Client,
}

impl World {
    pub(super) async fn new() -> Self {
        let database = TestDatabase::create("auth", migrate).await;
        let sql = database.client().await;
        Self { db: pool(&database, 8), sql, database }
    }

    /// A replica: a pool of its own on the same database.
    pub(super) fn replica(&self, connections: usize) -> Database {
        pool(&self.database, connections)
    }

    pub(super) async fn user(&self, name: &str) -> User {
        users::insert(&self.db, &new_user(name, Role::User)).await.unwrap()
    }

    /// Logs in; the password is the hash.
    pub(super) async fn login(&self, user: &User) -> Option<(RefreshToken, Session)> {
        let new = new_session(user.id, user.epoch);
        let opened = sessions::open(&self.db, &new, &POLICY).await.unwrap();
        opened.map(|session| (RefreshToken::first(new.id, new.delivery, new.nonce), session))
    }

    /// The account of an address, as a login that nothing limits finds it.
    pub(super) async fn find_for_login(&self, email: &Email) -> Option<Credentials> {
        let attempt = unlimited().attempt(Purpose::Login, Subject::Email(email), None);
        find_for_login(&self.db, email, &attempt).await.unwrap().credentials
    }

    pub(super) async fn refresh(&self, token: &RefreshToken) -> Refreshed {
        sessions::refresh(&self.db, token, &device("198.51.100.7"), &POLICY).await.unwrap()
    }

    /// Lets time pass for a session by moving its times back.
    pub(super) async fn later(&self, token: &RefreshToken, seconds: f64) {
        let statement = "UPDATE sessions SET rotated_at = rotated_at - make_interval(secs => $2), \
                         expires_at = expires_at - make_interval(secs => $2) WHERE id = $1::text::uuid";
        self.sql.execute(statement, &[&token.session_id.to_string(), &seconds]).await.unwrap();
    }

    pub(super) async fn count(&self, query: &str) -> i64 {
        self.sql.query_one(query, &[]).await.unwrap().get(0)
    }
}

pub(super) async fn migrate(url: &str) -> anyhow::Result<()> {
    database::migrations::run(&url.parse()?, crate::db::MIGRATIONS).await?;
    Ok(())
}

fn pool(database: &TestDatabase, connections: usize) -> Database {
    let db = Database::new(&database.url().parse().unwrap(), connections).unwrap();
    // A busy test machine is no reason to fail.
    db.with_deadline(Duration::from_secs(60))
}

/// A throttle with these limits.
pub(super) fn throttle(limits: Limits) -> Throttle {
    Throttle::new(&RootSecrets::new(&Secret::new(vec![7; 32]), &[]), limits)
}

pub(super) const OFF: Limits = Limits {
    account_address: None,
    account: None,
    second_factor: None,
    address: None,
    registration: None,
    mail: None,
};

fn unlimited() -> Throttle {
    throttle(OFF)
}

pub(super) fn new_user(name: &str, role: Role) -> NewUser {
    NewUser {
        id: UserId::generate(),
        email: Email::parse(&format!("{name}@example.com")).unwrap(),
        password_hash: hash(),
        role,
    }
}

pub(super) fn hash() -> Secret<String> {
    Secret::new("$2b$04$a hash".to_owned())
}

pub(super) fn new_session(user: UserId, epoch: i32) -> NewSession {
    NewSession {
        id: SessionId::generate(),
        user,
        epoch,
        password_hash: hash(),
        nonce: Nonce::generate(),
        delivery: Delivery::Cookie,
        amr: vec!["pwd".to_owned()],
        device: device("192.0.2.1"),
        rehashed: None,
        remembered: None,
        refund: Refund::default(),
        second_factor: None,
        notice: None,
    }
}

pub(super) fn device(address: &str) -> Device {
    Device::new(address.parse().ok(), Some("a browser"))
}

/// The step and generation of a session that goes on.
pub(super) fn continued(refreshed: Refreshed) -> (crate::sessions::Step, i64) {
    match refreshed {
        Refreshed::Continued(continued) => (continued.step, continued.session.generation),
        other => panic!("the session should go on: {other:?}"),
    }
}
