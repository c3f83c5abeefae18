//! What the tests of every member share: databases, ports, processes, waiting and an HTTP client.
//!
//! It knows no service of ours by type. Everything here panics with a sentence instead of
//! returning an error, because a preparation that fails *is* the test's failure.

#![expect(clippy::expect_used, reason = "a test's preparation fails the test, and says why")]

mod clock;
mod cookies;
mod database;
mod http;
mod ports;
mod process;
mod python;
mod wait;

pub use clock::skewed_clock;
pub use cookies::{CookieJar, SetCookie};
pub use database::{TestDatabase, server_url};
pub use http::{Answer, HttpClient, Witness};
pub use ports::free_port;
pub use process::{TestProcess, binary};
pub use python::python_with;
pub use reqwest;
pub use tokio_postgres;
pub use wait::{eventually, eventually_within};
