//! The demo accounts and their orders: made through the public API, and the administrator by command, as
//! in production.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use super::environment::Environment;
use crate::http::{Answer, Request};

/// Somebody to log in as. The passwords are public: they are good for a machine of one's own only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) email: &'static str,
    pub(crate) password: &'static str,
}

pub(crate) const ADMIN: Account = Account { email: "admin@demo.example", password: "keeper of the gate" };
pub(crate) const USER: Account = Account { email: "ann@demo.example", password: "a walk in the garden" };

const ORDERS: [&str; 3] = [
    r#"{"currency":"EUR","items":[{"sku":"coffee-beans","quantity":2,"unitPriceMinor":1250}]}"#,
    r#"{"currency":"EUR","items":[{"sku":"teapot","quantity":1,"unitPriceMinor":3900},{"sku":"cup","quantity":4,"unitPriceMinor":650}]}"#,
    r#"{"currency":"USD","items":[{"sku":"notebook","quantity":3,"unitPriceMinor":799}]}"#,
];

impl Account {
    /// The body of a registration or login.
    pub(crate) fn body(self) -> String {
        format!(r#"{{"email":"{}","password":"{}"}}"#, self.email, self.password)
    }

    /// An access token, or `None` when there is no such account or its password has been changed.
    fn log_in(self, port: u16) -> Result<Option<String>> {
        let answer = post(port, "/api/auth/login", None, &self.body())?;
        match answer.status {
            200 => {
                Ok(Some(answer.field("accessToken").context("a login without an access token")?.to_owned()))
            }
            401 => Ok(None),
            status => bail!("logging in as {}: {status} {}", self.email, answer.body),
        }
    }
}

/// Makes whatever is missing of the demo.
pub(crate) fn make_demo(environment: &Environment, binaries: &Path) -> Result<()> {
    let port = environment.ports.gateway;
    if ADMIN.log_in(port)?.is_none() {
        make_admin(environment, binaries)?;
    }
    let registered = post(port, "/api/auth/register", None, &USER.body())?;
    ensure!(
        [201, 409].contains(&registered.status),
        "registering {}: {} {}",
        USER.email,
        registered.status,
        registered.body
    );
    match USER.log_in(port)? {
        Some(token) => place_orders(port, &token),
        None => {
            println!("{} has another password by now; its orders are left as they are", USER.email);
            Ok(())
        }
    }
}

/// The password goes through standard input, where no process list shows it.
fn make_admin(environment: &Environment, binaries: &Path) -> Result<()> {
    let arguments = ["users", "create", "--email", ADMIN.email, "--role", "ADMIN", "--demo"];
    let mut child = environment
        .auth_command(binaries, &arguments)
        .stdin(Stdio::piped())
        .spawn()
        .context("running auth-service users create")?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{}", ADMIN.password).context("writing the password")?;
    }
    let output = child.wait_with_output().context("running auth-service users create")?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        println!("{} was not made: {complaint}", ADMIN.email);
    }
    Ok(())
}

/// The same idempotency keys each time, so that a second `up` adds nothing.
fn place_orders(port: u16, token: &str) -> Result<()> {
    for (number, order) in ORDERS.iter().enumerate() {
        let key = [format!("Idempotency-Key: demo-order-{number}")];
        let answer = Request {
            bearer: Some(token),
            headers: &key,
            body: Some(order),
            ..Request::new(port, "POST", "/api/orders")
        }
        .send()?;
        ensure!((200..300).contains(&answer.status), "placing an order: {} {}", answer.status, answer.body);
    }
    Ok(())
}

fn post(port: u16, path: &str, bearer: Option<&str>, body: &str) -> Result<Answer> {
    Request { bearer, body: Some(body), ..Request::new(port, "POST", path) }.send()
}
