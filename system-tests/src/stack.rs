//! Two auth services, an orders API and a gateway, started as an operator would start them.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;
use test_support::{HttpClient, TestProcess, binary, eventually, free_port};

use crate::actor::{Actor, PASSWORD};
use crate::machine::{Options, Server};

/// The frontend's origin: the gateway allows it, and the auth service lets it use cookies.
pub const ORIGIN: &str = "http://localhost:3000";

const JWT_SECRET: &str = "q3Zp0lq0p9T5iU2nqR7b2m8wY4xVfG1hJkLsDzXcVbM=";
const IDENTITY_KEY: &str = "Zk9uN2pVbG1rQ3R4WjVqRHc4YVBzVnRoR2ZLckV5TXc=";

/// Everything that runs, and where.
#[derive(Debug)]
pub struct Stack {
    /// The database server. Declared after the processes would be wrong: they are stopped first.
    pub gateway: TestProcess,
    /// The two auth services.
    pub auth: Vec<TestProcess>,
    /// The orders API.
    pub orders: TestProcess,
    /// The PostgreSQL behind them.
    pub server: Server,
    ports: Ports,
    folder: TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    gateway: u16,
    gateway_admin: u16,
    auth: [u16; 2],
    auth_admin: [u16; 2],
    orders: u16,
    orders_admin: u16,
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
        let ports = Ports::free();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("gateway.toml");
        std::fs::write(&config, gateway_toml(ports, &options)).expect("the gateway's file");
        let auth = (0..2).map(|replica| start_auth(replica, &server, ports, &options)).collect();
        let orders = start_orders(&server, ports, &options);
        let gateway = start_gateway(&config);
        let stack = Self { gateway, auth, orders, server, ports, folder };
        stack.ready().await;
        stack
    }

    /// Waits until every process says that a request would succeed.
    pub async fn ready(&self) {
        let Ports { auth_admin: [first, second], orders_admin, gateway_admin, .. } = self.ports;
        for (name, port) in
            [("auth 1", first), ("auth 2", second), ("orders", orders_admin), ("gateway", gateway_admin)]
        {
            ready(name, port).await;
        }
    }

    /// The gateway's address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.gateway)
    }

    /// The gateway's host and port.
    pub fn gateway_address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.gateway)
    }

    /// The gateway's private listener.
    pub fn gateway_admin(&self) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.ports.gateway_admin))
    }

    /// One auth service's private listener.
    pub fn auth_admin(&self, replica: usize) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.ports.auth_admin[replica]))
    }

    /// One auth service itself, past the gateway, as an attacker inside the network would reach it.
    pub fn auth_direct(&self, replica: usize) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.ports.auth[replica]))
    }

    /// The orders API itself, past the gateway.
    pub fn orders_direct(&self) -> HttpClient {
        HttpClient::new(format!("http://127.0.0.1:{}", self.ports.orders))
    }

    /// Somebody without an account, on the frontend's page.
    pub fn visitor(&self) -> HttpClient {
        HttpClient::new(self.url()).origin(ORIGIN)
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
            .envs(auth_settings(0, &self.server, self.ports, &Options::default()))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("auth-service");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("its standard input");
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "auth-service {arguments:?}: {}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// A connection to the auth service's database, for looking behind its back.
    pub async fn auth_database(&self) -> test_support::tokio_postgres::Client {
        connect(&self.server.url("auth")).await
    }

    /// The gateway's configuration file.
    pub fn gateway_config(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// The key with which the gateway signs for one upstream, base64, as `gateway identity-key` prints it.
    pub fn identity_key(upstream: &str) -> String {
        let output = Command::new(binary("gateway"))
            .args(["identity-key", upstream])
            .env_clear()
            .env("APP_ENV", "development")
            .env("IDENTITY_KEY", IDENTITY_KEY)
            .output()
            .expect("gateway identity-key");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }
}

impl Ports {
    fn free() -> Self {
        Self {
            gateway: free_port(),
            gateway_admin: free_port(),
            auth: [free_port(), free_port()],
            auth_admin: [free_port(), free_port()],
            orders: free_port(),
            orders_admin: free_port(),
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

fn start_auth(replica: usize, server: &Server, ports: Ports, options: &Options) -> TestProcess {
    TestProcess::start("auth-service", &[], auth_settings(replica, server, ports, options))
}

fn auth_settings(
    replica: usize,
    server: &Server,
    ports: Ports,
    options: &Options,
) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("APP_ENV", "development".to_owned()),
        ("LOG_FORMAT", "json".to_owned()),
        ("DATABASE_URL", server.url("auth")),
        ("LISTEN", format!("127.0.0.1:{}", ports.auth[replica])),
        ("ADMIN_LISTEN", format!("127.0.0.1:{}", ports.auth_admin[replica])),
        ("JWT_SECRET", JWT_SECRET.to_owned()),
        ("JWT_ISSUER", "http://localhost:8080".to_owned()),
        ("IDENTITY_KEY", Stack::identity_key("auth")),
        ("ALLOWED_ORIGINS", ORIGIN.to_owned()),
        ("BCRYPT_COST", "4".to_owned()),
    ];
    settings.extend(options.auth.iter().cloned());
    settings
}

fn start_orders(server: &Server, ports: Ports, options: &Options) -> TestProcess {
    let mut settings = vec![
        ("APP_ENV", "development".to_owned()),
        ("LOG_FORMAT", "json".to_owned()),
        ("DATABASE_URL", server.url("orders")),
        ("LISTEN", format!("127.0.0.1:{}", ports.orders)),
        ("ADMIN_LISTEN", format!("127.0.0.1:{}", ports.orders_admin)),
        ("IDENTITY_KEY", Stack::identity_key("orders")),
    ];
    settings.extend(options.orders.iter().cloned());
    TestProcess::start("business-api", &[], settings)
}

fn start_gateway(config: &std::path::Path) -> TestProcess {
    let config = config.to_str().expect("a path in UTF-8");
    let settings = [
        ("APP_ENV", "development".to_owned()),
        ("LOG_FORMAT", "json".to_owned()),
        ("IDENTITY_KEY", IDENTITY_KEY.to_owned()),
    ];
    TestProcess::start("gateway", &["--config", config], settings)
}

fn gateway_toml(ports: Ports, options: &Options) -> String {
    let Ports { gateway, gateway_admin, auth: [first, second], orders, .. } = ports;
    format!(
        r#"
listen = "127.0.0.1:{gateway}"
admin_listen = "127.0.0.1:{gateway_admin}"
{further}
[cors]
origins = ["{ORIGIN}"]

[tokens]
issuer = "http://localhost:8080"
audience = "portcullis"
jwks = ["http://127.0.0.1:{first}/.well-known/jwks.json", "http://127.0.0.1:{second}/.well-known/jwks.json"]

[upstreams.auth]
servers = ["http://127.0.0.1:{first}", "http://127.0.0.1:{second}"]

[upstreams.orders]
servers = ["http://127.0.0.1:{orders}"]
{ROUTES}"#,
        further = options.gateway,
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
path = "/api/auth/bootstrap"
upstream = "auth"
access = "public"

[[routes]]
path = "/api/orders"
upstream = "orders"
access = "authenticated"

[[routes]]
path = "/api/admin/orders"
upstream = "orders"
access = { roles = ["ADMIN"] }
"#;
