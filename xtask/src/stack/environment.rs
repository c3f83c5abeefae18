//! What each process is told. Nobody gets more than it needs: the gateway alone holds `IDENTITY_KEY`, a
//! service only the key derived for it, and only the auth service ever sees `JWT_SECRET`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::database::{AUTH, ORDERS, Server};
use super::ports::Ports;
use super::processes::Process;
use super::secrets::Settings;
use super::{Setting, gateway_file};

/// Settings of the processes that a person may add to `.env` or to the environment.
const FOR_ALL: [&str; 2] = ["LOG", "LOG_FORMAT"];
const FOR_AUTH: [&str; 25] = [
    "ALLOW_BOOTSTRAP",
    "AUDIT_RETENTION",
    "BCRYPT_COST",
    "DATABASE_POOL",
    "HASH_QUEUE_DEADLINE",
    "HASH_THREADS",
    "JWT_ACCESS_TTL",
    "JWT_ALG",
    "JWT_AUDIENCE",
    "JWT_REFRESH_TTL",
    "JWT_SECRET_PREVIOUS",
    "MAIL_FROM",
    "MAIL_LINK_BASE",
    "MAIL_RESET_TTL",
    "MAIL_SMTP_URL",
    "MAIL_VERIFY_TTL",
    "REFRESH_GRACE",
    "REQUIRE_VERIFIED_EMAIL",
    "SESSION_MAX_TTL",
    "THROTTLE_ACCOUNT",
    "THROTTLE_ACCOUNT_ADDRESS",
    "THROTTLE_ADDRESS",
    "THROTTLE_MAIL",
    "THROTTLE_REGISTRATION",
    "THROTTLE_SECOND_FACTOR",
];

/// Everything that the processes are started with.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) ports: Ports,
    folder: PathBuf,
    gateway_file: PathBuf,
    auth: Vec<Setting>,
    orders: Vec<Setting>,
    gateway: Vec<Setting>,
}

/// Where a frontend's pages come from, and where the processes' files may go.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// The frontend's origin, allowed to call the gateway with credentials.
    pub(crate) frontend: &'a str,
    /// A folder for the gateway's settings.
    pub(crate) folder: &'a Path,
    /// The folder with the built binaries.
    pub(crate) binaries: &'a Path,
}

impl Environment {
    /// Puts the settings together; the gateway's file is written to `surroundings.folder`.
    pub(crate) fn new(
        settings: &Settings,
        server: &Server,
        ports: Ports,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self> {
        let root_key = settings.secret("IDENTITY_KEY")?;
        let key_of = |name| derived_key(surroundings, &root_key, name);
        let mut auth =
            service(settings, ports.auth(), server.url_for(AUTH, settings)?, "auth", key_of("auth")?);
        auth.push(pair("JWT_SECRET", settings.secret("JWT_SECRET")?));
        auth.push(pair("JWT_ISSUER", format!("http://localhost:{}", ports.gateway)));
        auth.push(pair("ALLOWED_ORIGINS", origins(settings, ports, surroundings.frontend)));
        auth.extend(chosen(settings, &FOR_AUTH));
        Ok(Self {
            ports,
            folder: surroundings.folder.to_owned(),
            gateway_file: gateway_file::write(ports, surroundings.frontend, surroundings.folder)?,
            auth,
            orders: service(
                settings,
                ports.orders(),
                server.url_for(ORDERS, settings)?,
                "orders",
                key_of("orders")?,
            ),
            gateway: [common(settings), vec![pair("IDENTITY_KEY", root_key)]].concat(),
        })
    }

    /// The three processes, in the order in which they are started.
    pub(crate) fn processes(&self, binaries: &Path) -> [Process; 3] {
        let process = |name, arguments, settings: &[Setting]| Process {
            name,
            program: binaries.join(name),
            arguments,
            settings: settings.to_vec(),
            folder: self.folder.clone(),
        };
        let config = vec!["--config".to_owned(), self.gateway_file.display().to_string()];
        [
            process("auth-service", Vec::new(), &self.auth),
            process("business-api", Vec::new(), &self.orders),
            process("gateway", config, &self.gateway),
        ]
    }

    /// A one-off command of the auth service's, with the settings that the service has.
    pub(crate) fn auth_command(&self, binaries: &Path, arguments: &[&str]) -> Command {
        let process = Process {
            name: "auth-service",
            program: binaries.join("auth-service"),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            settings: self.auth.clone(),
            folder: self.folder.clone(),
        };
        process.command()
    }
}

fn service(settings: &Settings, port: u16, url: String, name: &str, key: String) -> Vec<Setting> {
    let mut pairs = common(settings);
    pairs.push(pair("LISTEN", format!("127.0.0.1:{port}")));
    pairs.push(pair("ADMIN_LISTEN", format!("127.0.0.1:{}", Ports::admin(port))));
    pairs.push(pair("DATABASE_URL", url));
    pairs.push(pair("IDENTITY_NAME", name));
    pairs.push(pair("IDENTITY_KEY", key));
    pairs
}

fn common(settings: &Settings) -> Vec<Setting> {
    let mut pairs = vec![pair("APP_ENV", "development")];
    pairs.extend(chosen(settings, &FOR_ALL));
    pairs
}

fn chosen(settings: &Settings, names: &[&str]) -> Vec<Setting> {
    names.iter().filter_map(|name| Some(pair(name, settings.get(name)?))).collect()
}

fn pair(name: &str, value: impl Into<String>) -> Setting {
    (name.to_owned(), value.into())
}

/// The frontend under both names of this machine, the gateway itself, and what a person has added.
fn origins(settings: &Settings, ports: Ports, frontend: &str) -> String {
    let own = format!("http://localhost:{}", ports.gateway);
    let mut all: Vec<_> = [frontend.to_owned(), own]
        .into_iter()
        .flat_map(|origin| [origin.replace("localhost", "127.0.0.1"), origin])
        .collect();
    all.extend(settings.get("ALLOWED_ORIGINS"));
    all.join(",")
}

fn derived_key(surroundings: &Surroundings<'_>, root_key: &str, upstream: &str) -> Result<String> {
    let output = Command::new(surroundings.binaries.join("gateway"))
        .args(["identity-key", upstream])
        .env_clear()
        .envs([("APP_ENV", "development"), ("IDENTITY_KEY", root_key)])
        .current_dir(surroundings.folder)
        .output()
        .context("running gateway identity-key")?;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "gateway identity-key {upstream} failed: {complaint}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
