//! What must hold for any bytes, whoever makes them: libFuzzer, or the replay among the ordinary tests.

mod decoders;

use access_token::{KeySet, Verification};
use gateway::config::Config;
use gateway::pipeline::canonical;
use gateway::pipeline::client::Client;
use gateway::pipeline::identify::{Caller, Identity};
use gateway::pipeline::match_route::Routes;
use gateway::pipeline::principal::Principal;
use http::{HeaderValue, Method, Request};
use identity::RootKey;
use process::Settings;

pub const KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Routes in which every kind of confusion would show: one in another, and one for everything else.
pub const ROUTES: [&str; 6] = ["/", "/admin", "/api", "/api/admin", "/api/Orders", "/public"];

/// A whole file with those routes.
pub fn file() -> String {
    let route =
        |path: &&str| format!("[[routes]]\npath = \"{path}\"\nupstream = \"orders\"\naccess = \"public\"\n");
    let routes: String = ROUTES.iter().map(route).collect();
    format!(
        "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[tokens]\nissuer = \"i\"\naudience = \"a\"\n\
         jwks = \"http://127.0.0.1:1/\"\n[upstreams.orders]\nservers = [\"http://127.0.0.1:1\"]\n{routes}"
    )
}

fn parse(text: &str) -> Option<Config> {
    Config::parse(text, Settings::from_pairs([("APP_ENV", "development"), ("IDENTITY_KEY", KEY)])).ok()
}

/// The compiled table of [`ROUTES`].
pub fn table() -> Routes {
    Routes::new(parse(&file()).expect("a good file").routes)
}

/// A target that is accepted is one route's, however it is read.
pub fn target(bytes: &[u8]) {
    let Some(text) = std::str::from_utf8(bytes).ok() else { return };
    target_in(&table(), text);
}

/// The same with a table at hand; answers whether it was accepted.
pub fn target_in(table: &Routes, text: &str) -> bool {
    let Ok(path) = canonical::path(text) else { return false };
    assert_eq!(path.as_str(), text);
    let Ok(route) = table.find(path, &Method::GET) else { return false };
    for (name, decode) in decoders::ALL {
        let read = decode(text);
        let theirs = decoders::route(&read, &ROUTES);
        assert_eq!(route.path.trim_end_matches('/'), theirs, "{text:?} is {read:?} for {name}");
    }
    true
}

/// Whatever is no token of ours is refused, and no refusal repeats it.
pub fn token(bytes: &[u8]) {
    let Some(text) = std::str::from_utf8(bytes).ok() else { return };
    let keys = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let verification = Verification { issuer: "http://auth".into(), audience: "api".into() };
    let refusal = verification.verify(text, &KeySet::parse(keys).expect("a key"), 1_790_000_000);
    assert!(refusal.is_err(), "nobody has this key's other half");
    let _ = access_token::key_id(text);
}

/// A key set is parsed or refused, and what is parsed has keys with names.
pub fn key_set(bytes: &[u8]) {
    if let Ok(keys) = KeySet::parse(bytes) {
        assert!(!keys.is_empty() && keys.kids().all(|kid| !kid.is_empty() && keys.contains(kid)));
        assert!(keys.without(|_| true).is_empty());
    }
}

/// No refresh cookie reaches another upstream, and no other cookie is lost or made up.
pub fn cookie(bytes: &[u8]) {
    let Ok(line) = HeaderValue::from_bytes(bytes) else { return };
    let mut parts = Request::builder().header("cookie", &line).body(()).expect("a request").into_parts().0;
    let client = Client { address: [127, 0, 0, 1].into(), https: true, behind_proxy: false };
    let (principal, request_id) = (Principal::anonymous(), HeaderValue::from_static("r"));
    let caller = Caller { principal: &principal, client: &client, request_id: &request_id };
    let root = RootKey::new(secret::parse_key(KEY).expect("a key"));
    Identity::new("orders", &root, false).identify(&mut parts, false, &caller, 1_790_000_000);
    let pairs = |bytes: &[u8]| {
        bytes.split(|byte| *byte == b';').map(|pair| pair.trim_ascii().to_vec()).collect::<Vec<_>>()
    };
    let sent = pairs(line.as_bytes());
    for pair in parts.headers.get_all("cookie").iter().flat_map(|line| pairs(line.as_bytes())) {
        assert!(sent.contains(&pair), "{pair:?} was not sent");
        let name: Vec<u8> = pair
            .iter()
            .copied()
            .skip_while(|byte| *byte == b'=' || byte.is_ascii_whitespace())
            .take_while(|byte| *byte != b'=')
            .collect();
        let name = name.trim_ascii().to_ascii_lowercase();
        assert!(
            ![&b"refresh_token"[..], b"__host-refresh_token", b"__secure-refresh_token"].contains(&&name[..]),
            "{pair:?}"
        );
    }
}

/// A configuration is usable or refused with a reason, and what is usable routes nothing without an upstream.
pub fn configuration(bytes: &[u8]) {
    let Some(text) = std::str::from_utf8(bytes).ok() else { return };
    if let Some(config) = parse(text) {
        assert!(config.routes.iter().all(|route| route.upstream.0 < config.upstreams.len()));
        assert!(config.upstreams.iter().all(|upstream| !upstream.servers.is_empty()));
    }
}
