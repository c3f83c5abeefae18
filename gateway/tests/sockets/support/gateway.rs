//! A real gateway on real sockets, in threads of this process, for the length of a test.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use gateway::config::Config;
use gateway::runtime::{Inherited, Listening};
use process::Settings;
use test_support::eventually;
use tokio::sync::oneshot;

use super::{Answer, Client, Issuer, Upstream};

pub(crate) const IDENTITY_KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// What a test changes of the configuration.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// The servers of the upstream `orders`.
    pub(crate) servers: Vec<SocketAddr>,
    /// Where the keys are; none: nowhere.
    pub(crate) issuer: Option<&'a Issuer>,
    /// Another place where they are.
    pub(crate) second_issuer: Option<&'a Issuer>,
    /// An issuer that is none of the above: where its keys are.
    pub(crate) jwks: Option<String>,
    /// Lines before the first table.
    pub(crate) top: &'a str,
    /// Lines of `[timeouts]`.
    pub(crate) timeouts: &'a str,
    /// Lines of `[tokens]`.
    pub(crate) tokens: &'a str,
    /// Whole tables.
    pub(crate) tables: &'a str,
    /// Environment besides the usual.
    pub(crate) environment: Vec<(&'a str, &'a str)>,
}

/// A running gateway; stopped when dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Where proxies ask, if there is such a place.
    pub(crate) verify: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<'a> Setup<'a> {
    /// One upstream, no keys.
    pub(crate) fn of(upstream: &Upstream) -> Self {
        Self { servers: vec![upstream.address], ..Self::default() }
    }

    /// One upstream and an issuer.
    pub(crate) fn with(upstream: &Upstream, issuer: &'a Issuer) -> Self {
        Self { issuer: Some(issuer), ..Self::of(upstream) }
    }

    /// The configuration file.
    pub(crate) fn text(&self) -> String {
        // Port 1 is nobody's: without an issuer no key is ever found.
        let nowhere = || "http://127.0.0.1:1/".to_owned();
        let first = self.issuer.map(Issuer::url).or_else(|| self.jwks.clone());
        let jwks = [Some(first.unwrap_or_else(nowhere)), self.second_issuer.map(Issuer::url)];
        let jwks: Vec<_> = jwks.into_iter().flatten().map(|url| format!("\"{url}\"")).collect();
        let jwks = jwks.join(",");
        let servers =
            self.servers.iter().map(|server| format!("\"http://{server}\"")).collect::<Vec<_>>().join(",");
        let mut text = format!(
            "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n{}\n\
             [tokens]\nissuer = \"http://auth\"\naudience = \"api\"\njwks = [{jwks}]\n{}\n\
             [timeouts]\n{}\n[upstreams.orders]\nservers = [{servers}]\n{}\n",
            self.top, self.tokens, self.timeouts, self.tables
        );
        for (path, rest) in [
            ("/public", "access = \"public\""),
            ("/private", "access = \"authenticated\""),
            ("/optional", "access = \"optional\""),
            ("/admin", "access = { roles = [\"ADMIN\"] }"),
            ("/small", "access = \"public\"\nbody = 10"),
        ] {
            write!(text, "[[routes]]\npath = \"{path}\"\nupstream = \"orders\"\n{rest}\n").unwrap();
        }
        text
    }

    /// Starts it, and waits until it is ready if it has keys to become so.
    pub(crate) async fn start(self) -> Gateway {
        let has_keys = self.issuer.is_some() || self.jwks.is_some();
        let gateway = self.start_unready().await;
        if has_keys {
            eventually("the gateway is ready", async || (gateway.ready().await.status == 200).then_some(()))
                .await;
        }
        gateway
    }

    /// Starts it and waits for nothing.
    pub(crate) async fn start_unready(self) -> Gateway {
        let mut environment =
            vec![("APP_ENV", "development"), ("IDENTITY_KEY", IDENTITY_KEY), ("LOG", "off")];
        environment.extend(self.environment.iter().copied());
        let config = Config::parse(&self.text(), Settings::from_pairs(environment)).unwrap();
        let listening = Listening::start(config, Inherited::default()).unwrap();
        let (address, admin) = (listening.address().unwrap(), listening.admin_address().unwrap());
        let verify = listening.verify_address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stop_signal = || {
            Ok(async {
                let _ = stopped.await;
                "the test's end"
            })
        };
        let thread = std::thread::spawn(move || listening.serve(stop_signal).unwrap());
        Gateway { address, admin, verify, stop: Some(stop), thread: Some(thread) }
    }
}

impl Gateway {
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request over a connection of its own.
    pub(crate) async fn ask(&self, line: &str, headers: &[&str]) -> Answer {
        self.client().await.ask(line, headers).await
    }

    /// `GET path` with a Bearer token.
    pub(crate) async fn get_with(&self, path: &str, token: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[&format!("Authorization: Bearer {token}")]).await
    }

    pub(crate) async fn ready(&self) -> Answer {
        Client::connect(self.admin).await.ask("GET /readyz", &[]).await
    }

    pub(crate) async fn metrics(&self) -> String {
        let answer = Client::connect(self.admin).await.ask("GET /metrics", &[]).await;
        String::from_utf8(answer.body).unwrap()
    }

    /// Tells it to stop, without waiting.
    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has stopped.
    pub(crate) async fn stopped(&mut self) {
        let thread = self.thread.take().expect("stopped once");
        tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
    }
}
