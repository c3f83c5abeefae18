//! Two of everything, started as an operator would start them: auth services, orders APIs, gateways.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use test_support::{HttpClient, TestProcess, binary, eventually, free_port, skewed_clock};

use crate::actor::{Actor, PASSWORD};
use crate::contract;
use crate::machine::{Options, Server};

/// The frontend's origin: the gateway allows it, and the auth service lets it use cookies.
pub const ORIGIN: &str = "http://localhost:3000";

/// `JWT_SECRET` of the auth services.
pub const JWT_SECRET: &str = "q3Zp0lq0p9T5iU2nqR7b2m8wY4xVfG1hJkLsDzXcVbM=";
const IDENTITY_KEY: &str = "Zk9uN2pVbG1rQ3R4WjVqRHc4YVBzVnRoR2ZLckV5TXc=";

/// Everything that runs, and where.
#[derive(Debug)]
pub struct Stack {
    /// The two gateways.
    pub gateways: Vec<TestProcess>,
    /// The two auth services.
    pub auth: Vec<TestProcess>,
    /// The two orders APIs.
    pub orders: Vec<TestProcess>,
    /// The PostgreSQL behind them, which outlives them.
    pub server: Server,
    /// What the next process that is started will be told.
    pub options: Options,
    ports: Ports,
    folder: TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    gateway: [u16; 2],
    gateway_admin: [u16; 2],
    auth: [u16; 2],
    auth_admin: [u16; 2],
    orders: [u16; 2],
    orders_admin: [u16; 2],
}

impl Stack {
    /// The usual one: shared server, development settings, cheap password hashes.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// On the shared server, with other settings.
    pub async fn with(options: Options) -> Self {
        Self::on(Server::shared().await, options).await
    }

    /// On a given server.
    pub async fn on(server: Server, options: Options) -> Self {
        let (ports, folder) = (Ports::free(), tempfile::tempdir().expect("a temporary folder"));
        let (gateways, auth, orders) = (Vec::new(), Vec::new(), Vec::new());
        let mut stack = Self { gateways, auth, orders, server, options, ports, folder };
        for replica in 0..2 {
            stack.auth.push(stack.new_auth(replica));
            stack.orders.push(stack.new_orders(replica));
            stack.gateways.push(stack.new_gateway(replica));
        }
        stack.ready().await;
        stack
    }

    /// Starts a replica of the auth service; the one before it must have ended.
    pub fn new_auth(&self, replica: usize) -> TestProcess {
        TestProcess::start("auth-service", &[], self.auth_settings(replica))
    }

    /// Starts a replica of the orders API; the one before it must have ended.
    pub fn new_orders(&self, replica: usize) -> TestProcess {
        let mut settings = vec![
            ("APP_ENV", "development".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
            ("DATABASE_URL", self.server.url("orders")),
            ("LISTEN", format!("127.0.0.1:{}", self.ports.orders[replica])),
            ("ADMIN_LISTEN", format!("127.0.0.1:{}", self.ports.orders_admin[replica])),
            ("IDENTITY_KEY", Self::identity_key("orders")),
        ];
        settings.extend(self.options.orders.iter().cloned());
        TestProcess::start("business-api", &[], settings)
    }

    /// Starts a replica of the gateway; the one before it must have ended.
    pub fn new_gateway(&self, replica: usize) -> TestProcess {
        let path = self.folder.path().join(format!("gateway-{replica}.toml"));
        std::fs::write(&path, gateway_toml(replica, self.ports, &self.options)).expect("the gateway's file");
        let mut settings = vec![
            ("APP_ENV", "development".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
            ("IDENTITY_KEY", IDENTITY_KEY.to_owned()),
        ];
        settings.extend(self.options.gateway.iter().cloned());
        let path = path.to_str().expect("a path in UTF-8");
        TestProcess::start("gateway", &["--config", path], settings)
    }

    /// Waits until every process says that a request would succeed.
    pub async fn ready(&self) {
        let Ports { auth_admin, orders_admin, gateway_admin, .. } = self.ports;
        for (name, ports) in [("auth", auth_admin), ("orders", orders_admin), ("gateway", gateway_admin)] {
            for (replica, port) in ports.into_iter().enumerate() {
                ready(&format!("{name} {replica}"), port).await;
            }
        }
    }

    /// The first gateway's address.
    pub fn url(&self) -> String {
        self.gateway_url(0)
    }

    /// One gateway's address.
    pub fn gateway_url(&self, replica: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports.gateway[replica])
    }

    /// The first gateway's host and port.
    pub fn gateway_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.gateway[0])
    }

    /// One gateway's private listener.
    pub fn gateway_admin(&self, replica: usize) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.ports.gateway_admin[replica]))
    }

    /// One auth service's private listener.
    pub fn auth_admin(&self, replica: usize) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.ports.auth_admin[replica]))
    }

    /// One orders API's private listener.
    pub fn orders_admin(&self, replica: usize) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.ports.orders_admin[replica]))
    }

    /// One auth service itself, past the gateway, as an attacker inside the network would reach it.
    pub fn auth_direct(&self, replica: usize) -> HttpClient {
        HttpClient::new(self.auth_url(replica))
    }

    /// One auth service's address, past the gateway: internal services ask there.
    pub fn auth_url(&self, replica: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports.auth[replica])
    }

    /// An orders API itself, past the gateway.
    pub fn orders_direct(&self) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.ports.orders[0]))
    }

    /// Somebody without an account, on the frontend's page.
    pub fn visitor(&self) -> HttpClient {
        HttpClient::new(self.url()).origin(ORIGIN).witnessed(contract::uphold)
    }

    /// A new customer, registered and logged in.
    pub async fn customer(&self, name: &str) -> Actor {
        let email = format!("{name}@shop.example");
        let client = self.visitor();
        client.post("/api/auth/register", &json!({"email": email, "password": PASSWORD})).await.expect(201);
        Actor::log_in(client, &email).await
    }

    /// An administrator, made on the command line and logged in.
    pub async fn admin(&self, name: &str) -> Actor {
        let email = format!("{name}@shop.example");
        self.auth_command(&["users", "create", "--email", &email, "--role", "ADMIN"], PASSWORD);
        Actor::log_in(self.visitor(), &email).await
    }

    /// Runs `auth-service ARGUMENTS` with this stack's settings and answers what it printed; it must succeed.
    pub fn auth_command(&self, arguments: &[&str], input: &str) -> String {
        use std::io::Write as _;
        let mut child = Command::new(binary("auth-service"))
            .args(arguments)
            .env_clear()
            .envs(self.auth_settings(0))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("auth-service");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("its standard input");
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "auth-service {arguments:?}: {}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs `auth-service ARGUMENTS` with nothing to read, and answers with which code it ended.
    pub fn auth_command_code(&self, arguments: &[&str]) -> i32 {
        let mut command = Command::new(binary("auth-service"));
        command.args(arguments).env_clear().envs(self.auth_settings(0)).stdin(std::process::Stdio::null());
        let output = command.output().expect("auth-service");
        output.status.code().expect("an end of its own")
    }

    /// A connection to the auth service's database, for looking behind its back.
    pub async fn auth_database(&self) -> test_support::tokio_postgres::Client {
        connect(&self.server.url("auth")).await
    }

    fn auth_settings(&self, replica: usize) -> Vec<(&'static str, String)> {
        let mut settings = vec![
            ("APP_ENV", "development".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
            ("DATABASE_URL", self.server.url("auth")),
            ("LISTEN", format!("127.0.0.1:{}", self.ports.auth[replica])),
            ("ADMIN_LISTEN", format!("127.0.0.1:{}", self.ports.auth_admin[replica])),
            ("JWT_SECRET", JWT_SECRET.to_owned()),
            ("JWT_ISSUER", "http://localhost:8080".to_owned()),
            ("IDENTITY_KEY", Self::identity_key("auth")),
            ("ALLOWED_ORIGINS", ORIGIN.to_owned()),
            ("BCRYPT_COST", "4".to_owned()),
            // Everybody comes from one address; the tests of limits set them.
            ("THROTTLE_ACCOUNT_ADDRESS", "off".to_owned()),
            ("THROTTLE_ACCOUNT", "off".to_owned()),
            ("THROTTLE_SECOND_FACTOR", "off".to_owned()),
            ("THROTTLE_ADDRESS", "off".to_owned()),
            ("THROTTLE_REGISTRATION", "off".to_owned()),
            ("THROTTLE_MAIL", "off".to_owned()),
        ];
        settings.extend(self.options.auth.iter().cloned());
        if let Some(seconds) = self.options.clock_skew {
            settings.extend(skewed_clock(&format!("{}{seconds}s", ["-", "+"][replica])));
        }
        settings
    }

    /// The key with which the gateway signs for one upstream, base64, as `gateway identity-key` prints it.
    pub fn identity_key(upstream: &str) -> String {
        Self::identity_key_under(IDENTITY_KEY, upstream)
    }

    /// The same under another `IDENTITY_KEY` of the gateway's.
    pub fn identity_key_under(root: &str, upstream: &str) -> String {
        let output = Command::new(binary("gateway"))
            .args(["identity-key", upstream])
            .env_clear()
            .env("APP_ENV", "development")
            .env("IDENTITY_KEY", root)
            .output()
            .expect("gateway identity-key");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }
}

impl Ports {
    fn free() -> Self {
        Self {
            gateway: [free_port(), free_port()],
            gateway_admin: [free_port(), free_port()],
            auth: [free_port(), free_port()],
            auth_admin: [free_port(), free_port()],
            orders: [free_port(), free_port()],
            orders_admin: [free_port(), free_port()],
        }
    }
}

async fn ready(name: &str, port: u16) {
    let client = HttpClient::new(format!("http://127.0.0.1:{port}"));
    eventually(&format!("{name} is ready"), async || {
        let request = client.request(test_support::reqwest::Method::GET, "/readyz");
        client.try_send(request).await.ok().filter(|answer| answer.status == 200).map(drop)
    })
    .await;
}

async fn connect(url: &str) -> test_support::tokio_postgres::Client {
    use test_support::tokio_postgres::{NoTls, connect};
    let (client, connection) = connect(url, NoTls).await.expect("a connection of the test's own");
    tokio::spawn(connection);
    client
}

fn gateway_toml(replica: usize, ports: Ports, options: &Options) -> String {
    let (gateway, gateway_admin) = (ports.gateway[replica], ports.gateway_admin[replica]);
    let Ports { auth: [first, second], orders: [orders, more_orders], .. } = ports;
    // Each gateway hears of revocations from another replica.
    let (near, far) = (ports.auth[replica], ports.auth[1 - replica]);
    format!(
        r#"
listen = "127.0.0.1:{gateway}"
admin_listen = "127.0.0.1:{gateway_admin}"
[cors]
origins = ["{ORIGIN}"]

[tokens]
issuer = "http://localhost:8080"
audience = "portcullis"
jwks = ["http://127.0.0.1:{first}/.well-known/jwks.json", "http://127.0.0.1:{second}/.well-known/jwks.json"]
revocations = ["http://127.0.0.1:{near}/internal/revocations", "http://127.0.0.1:{far}/internal/revocations"]
upstream = "auth"
{further}

[upstreams.auth]
servers = ["http://127.0.0.1:{first}", "http://127.0.0.1:{second}"]

[upstreams.orders]
servers = ["http://127.0.0.1:{orders}", "http://127.0.0.1:{more_orders}"]
{ROUTES}"#,
        further = options.tokens,
    )
}

const ROUTES: &str = r#"
[[routes]]
path = "/.well-known/jwks.json"
upstream = "auth"
access = "public"
methods = ["GET", "HEAD"]

[[routes]]
path = "/api/auth"
upstream = "auth"
access = "authenticated"

[[routes]]
path = "/api/auth/register"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/auth/login"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/auth/refresh"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/auth/logout"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/auth/verify-email"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/auth/verify-email/resend"
upstream = "auth"
access = "authenticated"

[[routes]]
path = "/api/auth/forgot"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/auth/reset"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/auth/bootstrap"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/admin/users"
upstream = "auth"
access = { roles = ["ADMIN"] }

[[routes]]
path = "/api/admin/audit"
upstream = "auth"
access = { roles = ["ADMIN"] }

[[routes]]
path = "/api/orders"
upstream = "orders"
access = "authenticated"

[[routes]]
path = "/api/admin/orders"
upstream = "orders"
access = { roles = ["ADMIN"] }

[[routes]]
path = "/api/services/orders"
upstream = "orders"
access = { clients = ["billing"] }
"#;
