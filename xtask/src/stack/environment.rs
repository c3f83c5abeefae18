//! What each process is told. Nobody gets more than it needs: the gateway alone holds `IDENTITY_KEY`, a
//! service only the key derived for it, and only the auth service ever sees `JWT_SECRET`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Setting;
use super::database::{AUTH, ORDERS, Server};
use super::ports::Ports;
use super::processes::Process;
use super::secrets::Settings;
use crate::workspace;

/// The frontend of the sample settings.
pub(crate) const SAMPLE_FRONTEND: &str = "http://localhost:3000";

/// Settings of the processes that a person may add to `.env` or to the environment.
const FOR_ALL: [&str; 2] = ["LOG", "LOG_FORMAT"];
const FOR_AUTH: [&str; 12] = [
    "ALLOW_BOOTSTRAP",
    "BCRYPT_COST",
    "DATABASE_POOL",
    "HASH_QUEUE_DEADLINE",
    "HASH_THREADS",
    "JWT_ACCESS_TTL",
    "JWT_ALG",
    "JWT_AUDIENCE",
    "JWT_REFRESH_TTL",
    "JWT_SECRET_PREVIOUS",
    "REFRESH_GRACE",
    "SESSION_MAX_TTL",
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
            gateway_file: write_gateway_file(ports, surroundings)?,
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

/// The sample settings, on this machine's ports and reachable from this machine only.
fn write_gateway_file(ports: Ports, surroundings: &Surroundings<'_>) -> Result<PathBuf> {
    let sample = workspace::root().join("deploy/gateway.toml");
    let text = fs::read_to_string(&sample).with_context(|| format!("reading {}", sample.display()))?;
    let path = surroundings.folder.join("gateway.toml");
    let heading = "# Made by `cargo xtask` from deploy/gateway.toml; changes here are lost.\n";
    let text = adapt(&text, ports, surroundings.frontend);
    fs::write(&path, format!("{heading}{text}")).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// One pass, so that a new port that equals another's old one is not moved again.
fn adapt(sample: &str, ports: Ports, frontend: &str) -> String {
    let moved = [
        (SAMPLE_FRONTEND, frontend.to_owned()),
        ("0.0.0.0:", "127.0.0.1:".to_owned()),
        (":8080", format!(":{}", ports.gateway)),
        (":8081", format!(":{}", ports.auth())),
        (":8082", format!(":{}", ports.orders())),
        (":9080", format!(":{}", Ports::admin(ports.gateway))),
    ];
    let mut adapted = String::new();
    let mut rest = sample;
    while let Some(next) = rest.chars().next() {
        let found = moved.iter().find(|(old, _)| rest.starts_with(old));
        let length = match found {
            // The address's own port is adapted on the next round.
            Some((old, new)) if old.ends_with(':') => {
                adapted.push_str(&new[..new.len() - 1]);
                old.len() - 1
            }
            Some((old, new)) => {
                adapted.push_str(new);
                old.len()
            }
            None => {
                adapted.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    adapted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_moved_once() {
        let sample =
            "listen = \"0.0.0.0:8080\"\norigins = [\"http://localhost:3000\"]\na = \":8081 :8082 :9080\"";
        assert_eq!(
            adapt(sample, Ports { gateway: 8081 }, "http://localhost:5000"),
            "listen = \"127.0.0.1:8081\"\norigins = [\"http://localhost:5000\"]\na = \":8082 :8083 :9081\""
        );
    }
}
