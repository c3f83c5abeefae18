use super::*;

/// A root key.
pub(crate) const KEY: (&str, &str) =
    ("IDENTITY_KEY", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
const DEVELOPMENT: [(&str, &str); 2] = [("APP_ENV", "development"), KEY];

/// The sample that `cargo xtask up` runs.
pub(crate) fn sample() -> String {
    include_str!("../../../deploy/gateway.toml").to_owned()
}

/// A configuration for development that must be good.
pub(crate) fn parsed(text: &str) -> Config {
    Config::parse(text, Settings::from_pairs(DEVELOPMENT)).unwrap()
}

/// A public route to the first upstream, with nothing special about it.
pub(crate) fn route(path: &str) -> Route {
    Route {
        id: 0,
        path: path.into(),
        upstream: UpstreamId(0),
        access: Access::Public,
        methods: None,
        body: 0,
        forward_authorization: false,
        websocket: false,
        rates: Rates::default(),
        concurrency: None,
        timeouts: None,
        cors: None,
        request_headers: None,
        response_headers: None,
        strip: 0,
    }
}

/// The complaints about a text, as `line: message`; the line is 0 where there is none.
fn complaints(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    match Config::parse(text, Settings::from_pairs(environment.iter().copied())) {
        Ok(_) => Vec::new(),
        Err(ConfigError::Refused { complaints, .. }) => {
            complaints.iter().map(|said| format!("{}: {}", said.line.unwrap_or(0), said.message)).collect()
        }
        Err(error) => panic!("{error}"),
    }
}

/// `text` has exactly these complaints, each told by its line and a part of its message.
fn check(text: &str, environment: &[(&str, &str)], expected: &[(usize, &str)]) {
    let said = complaints(text, environment);
    assert_eq!(said.len(), expected.len(), "{said:#?}\n{text}");
    for (said, (line, part)) in said.iter().zip(expected) {
        assert!(
            said.starts_with(&format!("{line}: ")) && said.contains(part),
            "wanted {line}: {part}, got {said}"
        );
    }
}

/// Two upstreams and one route in fifteen lines; what a test adds comes after.
const SMALL: &str = r#"listen = "127.0.0.1:8080"
admin_listen = "127.0.0.1:9080"
hosts = ["localhost"]
trusted_proxies = ["10.0.0.0/8"]
[tokens]
issuer = "http://localhost:8080"
audience = "portcullis"
jwks = "http://127.0.0.1:8081/.well-known/jwks.json"
[upstreams.auth]
servers = ["http://127.0.0.1:8081"]
[[routes]]
path = "/a"
upstream = "auth"
access = "public"
"#;

fn check_added(added: &str, expected: &[(usize, &str)]) {
    check(&format!("{SMALL}{added}"), &DEVELOPMENT, expected);
}

fn check_replaced(from: &str, to: &str, expected: &[(usize, &str)]) {
    assert!(SMALL.contains(from), "{from}");
    check(&SMALL.replace(from, to), &DEVELOPMENT, expected);
}

#[test]
fn the_development_sample_has_the_whole_table() {
    let config = parsed(&sample());
    let access =
        |path: &str| config.routes.iter().find(|route| route.path == path).map(|route| route.access.clone());
    let admin = Access::Roles(vec!["ADMIN".into()]);
    for public in ["register", "login", "refresh", "logout", "bootstrap"] {
        assert_eq!(access(&format!("/api/auth/{public}")), Some(Access::Public), "{public}");
    }
    assert_eq!(access("/.well-known/jwks.json"), Some(Access::Public));
    assert_eq!(access("/api/auth"), Some(Access::Authenticated));
    assert_eq!(access("/api/orders"), Some(Access::Authenticated));
    for path in ["/api/admin/users", "/api/admin/audit", "/api/admin/orders"] {
        assert_eq!(access(path), Some(admin.clone()), "{path}");
    }
    assert_eq!(config.tokens.upstream, Some(UpstreamId(0)));
    assert_eq!(config.tokens.feed_policy(), Some(OnStale::Serve));
    assert_eq!(config.upstream(UpstreamId(0)).name, "auth");
    assert_eq!(config.timeouts.head, Duration::from_secs(10));
    assert_eq!(
        config.limits,
        Limits {
            head: 32 << 10,
            body: 100 << 20,
            requests: None,
            connections: None,
            connections_per_address: None
        }
    );
}

#[test]
fn the_production_sample_is_good_in_production() {
    let text = include_str!("../../../deploy/gateway.production.toml");
    let hosts = [
        ("PUBLIC_HOST", "api.example.com"),
        ("APP_HOST", "app.example.com"),
        ("AUTH_HOST", "auth.internal"),
        ("ORDERS_HOST", "orders.internal"),
    ];
    let config = Config::parse(text, Settings::from_pairs([&hosts[..], &[KEY]].concat())).unwrap();
    assert!(config.mode.is_production() && config.tls.is_some());
    assert_eq!(config.hosts, ["api.example.com"]);
    assert_eq!(config.tokens.jwks, ["https://auth.internal:8081/.well-known/jwks.json"]);
    assert_eq!(config.tokens.revocations, ["https://auth.internal:8081/internal/revocations"]);
    let server = &config.upstreams[0].servers[0];
    assert_eq!((server.tls, &server.at), (true, &Place::Host("auth.internal".into(), 8081)));
    let parsed = parsed(&sample());
    let paths = |config: &Config| config.routes.iter().map(|route| route.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&config), paths(&parsed), "both samples route the same");
    let missing = complaints(text, &[KEY]);
    assert!(
        missing.len() == 7 && missing.iter().all(|said| said.contains("the environment has no")),
        "{missing:#?}"
    );
}

#[test]
fn the_documented_file_is_good() {
    let page = include_str!("../../../docs/gateway.md");
    let toml = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let documented = Config::parse(toml, Settings::from_pairs([KEY])).unwrap();
    let defaults = parsed(&sample());
    assert_eq!(documented.timeouts, defaults.timeouts);
    assert_eq!(documented.limits, defaults.limits);
    let waits = |config: &Config| {
        let tokens = &config.tokens;
        (tokens.jwks_refresh, tokens.jwks_cooldown, tokens.jwks_wait, tokens.upstream, tokens.on_stale)
    };
    assert_eq!(waits(&documented), waits(&defaults));
}

#[test]
fn what_production_insists_on() {
    check(SMALL, &[KEY], &[]);
    check(&SMALL.replace("hosts = [\"localhost\"]\n", ""), &[KEY], &[(0, "`hosts`")]);
    check(
        &SMALL.replace("trusted_proxies = [\"10.0.0.0/8\"]\n", ""),
        &[KEY],
        &[(0, "production needs HTTPS")],
    );
    check(SMALL, &[], &[(0, "IDENTITY_KEY is required")]);
    check(SMALL, &[("IDENTITY_KEY", &"00".repeat(32))], &[(0, "IDENTITY_KEY")]);
    let remote = SMALL.replace("http://127.0.0.1:8081\"]", "http://10.1.1.1:8081\"]");
    check(&remote, &[KEY], &[(10, "unencrypted")]);
    check(&remote, &DEVELOPMENT, &[]);
    check(&remote.replace("8081\"]", "8081\"]\nplaintext = true"), &[KEY], &[]);
    check(&remote.replace("http://10", "https://10"), &[KEY], &[]);
    let jwks = SMALL.replace("http://127.0.0.1:8081/.well-known", "http://auth.internal:8081/.well-known");
    check(&jwks, &[KEY], &[(8, "unencrypted")]);
    check(&jwks.replace("jwks =", "plaintext = true\njwks ="), &[KEY], &[]);
    let feed = |url: &str| SMALL.replace("audience =", &format!("revocations = [\"{url}\"]\naudience ="));
    check(&feed("http://auth.internal:8081/internal/revocations"), &[KEY], &[(7, "unencrypted")]);
    check(&feed("https://auth.internal:8081/internal/revocations"), &[KEY], &[]);
    check(&feed("http://a/\"]\nplaintext = true\non_stale = \"deny\" # [\""), &[KEY], &[]);
    for local in ["http://localhost:1", "http://[::1]:1", "http://127.9.9.9:1"] {
        check(&SMALL.replace("http://127.0.0.1:8081\"]", &format!("{local}\"]")), &[KEY], &[]);
    }
    check(
        &SMALL.replace("http://127.0.0.1:8081\"]", "http://127.0.0.1.evil.example:1\"]"),
        &[KEY],
        &[(10, "unencrypted")],
    );
}

#[test]
fn development_forgives() {
    check(
        &SMALL.replace("hosts = [\"localhost\"]\n", "").replace("trusted_proxies = [\"10.0.0.0/8\"]\n", ""),
        &DEVELOPMENT,
        &[],
    );
}

#[test]
fn what_is_not_toml_or_not_known() {
    check_added("nonsense", &[(15, "")]);
    check_added("colour = 1\n", &[(15, "unknown field `colour`")]);
    check_added("[surprise]\n", &[(15, "unknown field `surprise`")]);
    check_replaced(
        "audience =",
        "introspection = \"http://x\"\naudience =",
        &[(7, "unknown field `introspection`")],
    );
    check_replaced("audience = \"portcullis\"\n", "", &[(5, "missing field `audience`")]);
    check_replaced("listen = \"127.0.0.1:8080\"\n", "listen = 8080\n", &[(1, "expected a string")]);
    check_added("[timeouts]\nhead = \"soon\"\n", &[(16, "is no duration")]);
    check_added("[limits]\nbody = \"1.5MB\"\n", &[(16, "a size such as")]);
    check_added("[limits]\nbody = -1\n", &[(16, "a size such as")]);
    check_added("path = \"/b\"\n", &[(15, "duplicate key")]);
}

#[test]
fn every_complaint_at_once() {
    let text = SMALL
        .replace("8080\"\n", "eighty\"\n")
        .replace("[\"10.0.0.0/8\"]", "[\"10.0.0.0/33\", \"10.0.0.1\"]");
    let text = text.replace("upstream = \"auth\"", "upstream = \"auht\"").replace("\"/a\"", "\"/a/../b\"");
    let expected = [
        (1, "no address"),
        (4, "no network"),
        (6, "`issuer` is empty"),
        (12, "never be reached"),
        (13, "no upstream \"auht\"; there are: auth"),
    ];
    check(&text.replace("\"http://localhost:eighty\"", "\"\""), &DEVELOPMENT, &expected);
}

#[test]
fn every_route_states_who_may_use_it() {
    check_replaced("access = \"public\"\n", "", &[(11, "missing field `access`")]);
    for wrong in [
        "\"everyone\"",
        "\"\"",
        "{}",
        "{ roles = [] }",
        "{ roles = [\"\"] }",
        "{ roles = [\"A\"], clients = [\"b\"] }",
        "{ clients = [\"portcullis\"] }",
        "{ clients = [\"client:reports\"] }",
        "{ clients = [\"reports\", \"Reports\"] }",
        "{ groups = [\"x\"] }",
        "[\"ADMIN\"]",
        "true",
        "{ roles = [\"A B\"] }",
    ] {
        let text = SMALL.replace("\"public\"", wrong);
        let said = complaints(&text, &DEVELOPMENT);
        assert!(
            said.len() == 1 && said[0].starts_with("14: ") && said[0].contains("{ roles = […] }"),
            "{wrong}: {said:?}"
        );
    }
    for good in ["\"optional\"", "{ roles = [\"ADMIN\", \"USER\"] }", "{ clients = [\"reports\"] }"] {
        check_replaced("\"public\"", good, &[]);
    }
}

#[test]
fn routes_twice_or_never_reached() {
    let again =
        |path: &str| format!("[[routes]]\npath = \"{path}\"\nupstream = \"auth\"\naccess = \"public\"\n");
    check_added(&again("/b"), &[]);
    check_added(&again("/a/b"), &[]);
    check_added(&again("/a"), &[(16, "\"/a\" is routed on line 12 already")]);
    check_added(&again("/A"), &[(16, "\"/A\" is routed on line 12 already")]);
    check_added(&again("/a/"), &[(16, "\"/a/\" is routed on line 12 already")]);
    for never in ["a", "", "/a//b", "/./a", "/%61", "/a?b", "/a b", "/a#b", "/ä"] {
        check_added(&again(never), &[(16, "can never be reached")]);
    }
    check_added("methods = []\n", &[(15, "can never be reached")]);
    check_added("methods = [\"GET\", \"TRACE\"]\n", &[(15, "\"TRACE\" is no method")]);
    check_added("methods = [\"GET\", \"GET\"]\n", &[(15, "named twice")]);
    check_added("methods = [\"get\"]\n", &[(15, "\"get\" is no method")]);
}

#[test]
fn addresses_that_cannot_be_called() {
    for wrong in [
        "ftp://127.0.0.1",
        "127.0.0.1:8081",
        "http://",
        "http://u:p@127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "",
    ] {
        check_replaced(
            "http://127.0.0.1:8081\"]",
            &format!("{wrong}\"]"),
            &[(10, "is no http:// or https:// URL")],
        );
    }
    for host in ["-", "a..b", "a-"] {
        let message = "no certificate could be for this host";
        check_replaced("http://127.0.0.1:8081\"]", &format!("https://{host}:8081\"]"), &[(10, message)]);
    }
    for path in ["http://127.0.0.1:8081/", "http://127.0.0.1:8081/x", "http://127.0.0.1:8081?x"] {
        check_replaced("http://127.0.0.1:8081\"]", &format!("{path}\"]"), &[(10, "has a path")]);
    }
    check_replaced("[\"http://127.0.0.1:8081\"]", "[]", &[(10, "has no servers")]);
    check_replaced(
        "upstreams.auth]",
        "upstreams.\"au th\"]",
        &[(9, "1 to 64 of"), (13, "no upstream \"auth\"")],
    );
    check_replaced(
        "jwks = \"http://127.0.0.1:8081/.well-known/jwks.json\"",
        "jwks = []",
        &[(0, "empty list")],
    );
    check_replaced(
        "jwks = \"http://127.0.0.1:8081/.well-known/jwks.json\"",
        "jwks = [\"http://a/\", \"b\"]",
        &[(8, "\"b\" is no http")],
    );
    check_replaced("audience =", "upstream = \"x\"\naudience =", &[(7, "no upstream \"x\"")]);
}

#[test]
fn a_feed_of_revocations_is_complete_or_absent() {
    let add = |lines: &str| SMALL.replace("audience =", &format!("{lines}\naudience ="));
    let config = parsed(&add("revocations = [\"http://a/r\", \"http://b/r\"]"));
    assert_eq!(config.tokens.revocations, ["http://a/r", "http://b/r"]);
    assert_eq!(config.tokens.feed_policy(), Some(OnStale::Serve));
    let config = parsed(&add("revocations = \"http://a/r\"\non_stale = \"deny\""));
    assert_eq!(config.tokens.feed_policy(), Some(OnStale::Deny));
    assert_eq!(parsed(SMALL).tokens.feed_policy(), None);
    let check_added = |lines: &str, expected| check(&add(lines), &DEVELOPMENT, expected);
    check_added("revocations = []", &[(0, "`revocations` is an empty list")]);
    check_added("revocations = \"a\"", &[(7, "is no http")]);
    check_added("on_stale = \"deny\"", &[(7, "`on_stale` without `revocations`")]);
    check_added("revocations = \"http://a/r\"\non_stale = \"panic\"", &[(8, "unknown variant `panic`")]);
    let nameless = add("revocations = \"http://a/r\"").replace("auth]", "x]").replace("\"auth\"", "\"x\"");
    check(&nameless, &DEVELOPMENT, &[(0, "`revocations` needs `upstream`")]);
}

#[test]
fn servers_are_read_with_their_ports() {
    let config = parsed(&SMALL.replace(
        "[\"http://127.0.0.1:8081\"]",
        "[\"http://a.internal\", \"https://[2001:db8::1]\", \"https://b:9\", \"unix:/run/a.sock\"]",
    ));
    let servers: Vec<_> =
        config.upstreams[0].servers.iter().map(|s| (s.tls, s.at.clone(), s.authority.as_str())).collect();
    assert_eq!(
        servers,
        [
            (false, Place::Host("a.internal".into(), 80), "a.internal"),
            (true, Place::Host("2001:db8::1".into(), 443), "[2001:db8::1]"),
            (true, Place::Host("b".into(), 9), "b:9"),
            (false, Place::Socket("/run/a.sock".into()), "localhost"),
        ]
    );
    check_replaced("http://127.0.0.1:8081\"]", "unix:run/a.sock\"]", &[(10, "write a socket like")]);
}

#[test]
fn certificates_for_an_upstream() {
    let with = |server: &str, lines: &str| {
        SMALL.replace("[\"http://127.0.0.1:8081\"]", &format!("[\"{server}\"]\n{lines}"))
    };
    let tls = parsed(&with("https://a", "ca = \"a.pem\"\nclient_cert = \"c.pem\"\nclient_key = \"c.key\""))
        .upstreams[0]
        .tls
        .clone();
    assert_eq!(tls.ca, Some("a.pem".into()));
    assert_eq!(tls.client, Some(Certificate { cert: "c.pem".into(), key: "c.key".into() }));
    let check_with = |server, lines, expected: &[_]| check(&with(server, lines), &DEVELOPMENT, expected);
    check_with("http://a", "ca = \"a.pem\"", &[(11, "without an https:// server")]);
    check_with("https://a", "client_cert = \"c.pem\"", &[(11, "need each other")]);
    check_with("https://a", "client_key = \"c.pem\"", &[(11, "need each other")]);
}

#[test]
fn checks_of_an_upstream() {
    let with =
        |lines: &str| SMALL.replace("[[routes]]", &format!("[upstreams.auth.health]\n{lines}\n[[routes]]"));
    let health = parsed(&with("path = \"/readyz\"\nport = 9081")).upstreams[0].health.clone().unwrap();
    assert_eq!((health.path.to_string().as_str(), health.port), ("/readyz", Some(9081)));
    assert_eq!((health.interval.as_secs(), health.timeout.as_secs()), (5, 1));
    assert_eq!((health.healthy, health.unhealthy), (2, 3));
    assert_eq!(parsed(SMALL).upstreams[0].health, None);
    let check_with = |lines: &str, expected| check(&with(lines), &DEVELOPMENT, expected);
    check_with("path = \"http://a/readyz\"", &[(12, "is no path")]);
    check_with("path = \"readyz\"", &[(12, "is no path")]);
    check_with(
        "path = \"/\"\nport = 0\nhealthy = 0\ninterval = \"0s\"",
        &[
            (13, "`port` may not be zero"),
            (14, "`healthy` may not be zero"),
            (15, "`interval` may not be zero"),
        ],
    );
    check_replaced("[\"http://127.0.0.1:8081\"]", "[\"http://a\", \"HTTP://a\"]", &[(10, "is there twice")]);
}

#[test]
fn hosts_and_origins_as_they_are_sent() {
    check_replaced("[\"localhost\"]", "[\"Example.COM.\", \"[::1]\", \"my_host\"]", &[]);
    for wrong in ["http://localhost", "localhost:80", "*", "", "a b", "::1"] {
        check_replaced("[\"localhost\"]", &format!("[\"{wrong}\"]"), &[(3, "is no host name")]);
    }
    for good in ["http://localhost:3000", "https://app.example.com", "http://[::1]:3000"] {
        check_added(&format!("[cors]\norigins = [\"{good}\"]\n"), &[]);
    }
    for wrong in [
        "*",
        "null",
        "localhost:3000",
        "http://localhost:3000/",
        "https://App.example.com",
        "https://a:443",
        "http://a:80",
        "ws://a",
        "https://",
    ] {
        check_added(&format!("[cors]\norigins = [\"{wrong}\"]\n"), &[(16, "is no origin")]);
    }
    assert_eq!(parsed(&SMALL.replace("[\"localhost\"]", "[\"Example.COM.\"]")).hosts, ["example.com"]);
}

#[test]
fn limits_that_would_refuse_everything() {
    check_replaced("9080", "8080", &[(2, "the same address")]);
    for key in ["head", "connect", "first_byte", "idle"] {
        check_added(&format!("[timeouts]\n{key} = \"0s\"\n"), &[(16, "may not be zero")]);
    }
    check_added("[timeouts]\ndrain = \"0s\"\nmin_rate = 0\n", &[]);
    check_added("[limits]\nhead = \"4KiB\"\n", &[(16, "8KiB to 1MiB")]);
    check_added("[limits]\nhead = \"2MiB\"\n", &[(16, "8KiB to 1MiB")]);
    check_added("[tls]\ncertificates = []\n", &[(16, "without a certificate")]);
    check_added("body = \"1KiB\"\nforward_authorization = true\n", &[]);
}

#[test]
fn tests_of_the_routes_are_run_when_the_file_is_read() {
    let test = |request: &str, rest: &str| format!("[[tests]]\nrequest = \"{request}\"\n{rest}\n");
    for (request, rest) in [
        ("GET /a", "expect = 200"),
        ("GET /a/b?c=d", "expect = \"auth\"\nas = \"ADMIN\""),
        ("GET /b", "expect = 404"),
        ("GET /a/../b", "expect = 400"),
        ("TRACE /a", "expect = 405"),
        ("GET http://other/a", "expect = 421"),
    ] {
        check_added(&test(request, rest), &[]);
    }
    check_added(
        &test("GET /b", "expect = 200"),
        &[(16, "GET /b as anonymous: expected 200, got 404 not_found")],
    );
    check_added(&test("GET /a", "expect = 403"), &[(16, "expected 403, got 200 from \"auth\"")]);
    let two = [test("GET /a", "expect = 401"), test("GET /b", "expect = \"auth\"")].concat();
    check_added(&two, &[(16, "expected 401"), (19, "expected \"auth\", got 404")]);
    check_added(&test("/a", "expect = 200"), &[(16, "is no request")]);
    check_added(&test("GET a", "expect = 200"), &[(16, "neither an http")]);
    check_added(&test("GET /a", "expect = 204"), &[(16, "a request that passes is 200")]);
    check_added(&test("GET /a", "expect = \"orders\""), &[(16, "there is no such upstream")]);
    check_added(&test("GET /a", "expect = true"), &[(17, "expected a status")]);
    check_added(&test("GET /a", ""), &[(15, "missing field `expect`")]);

    let guarded = |access: &str| SMALL.replace("\"public\"", access);
    let check_as = |access: &str, caller: &str, expect: &str| {
        let test = test("GET /a", &format!("as = \"{caller}\"\nexpect = {expect}"));
        check(&format!("{}{test}", guarded(access)), &DEVELOPMENT, &[]);
    };
    check_as("\"authenticated\"", "anonymous", "401");
    check_as("\"authenticated\"", "user", "200");
    check_as("\"authenticated\"", "client:reports", "403");
    check_as("{ roles = [\"ADMIN\"] }", "user", "403");
    check_as("{ roles = [\"ADMIN\"] }", "ADMIN", "\"auth\"");
    check_as("{ clients = [\"reports\"] }", "client:reports", "\"auth\"");
    check_as("{ clients = [\"reports\"] }", "ADMIN", "403");
}

#[test]
fn a_prefix_is_stripped_by_whole_segments() {
    let add = |path: &str, rest: &str| {
        format!("[[routes]]\npath = \"{path}\"\nupstream = \"auth\"\naccess = \"public\"\n{rest}\n")
    };
    let seen = |path: &str, strip: &str| {
        let config = parsed(&format!("{SMALL}{}", add(path, &format!("strip_prefix = {strip}"))));
        config.routes[1].seen_path().to_owned()
    };
    assert_eq!(seen("/x/y", "true"), "");
    assert_eq!(seen("/x/y/", "true"), "");
    assert_eq!(seen("/x/y", "false"), "/x/y");
    assert_eq!(seen("/x/y", "\"/x\""), "/y");
    assert_eq!(seen("/x/y", "\"/x/\""), "/y");
    for wrong in ["\"/x/y/z\"", "\"/z\"", "\"/x/\\u0079y\"", "\"\"", "\"/\""] {
        check_added(
            &add("/x/y", &format!("strip_prefix = {wrong}")),
            &[(19, "is not the beginning of the route's path")],
        );
    }
    check_added(&add("/", "strip_prefix = true"), &[(19, "nothing to strip")]);
    check_added(&add("/x", "strip_prefix = 1"), &[(19, "expected true, false or")]);
    let twice = |access: &str| add("/x/a", "strip_prefix = \"/x\"").replace("public", access);
    check_added(&twice("public"), &[]);
    check_added(&twice("optional"), &[(16, "the upstream sees \"/a\", as it does by line 12")]);
}

#[test]
fn the_environment_fills_strings_only() {
    let text = SMALL.replace("127.0.0.1:8080", "${LISTEN}").replace("\"/a\"", "\"/${LISTEN}\"");
    check(&text, &DEVELOPMENT, &[(1, "\"LISTEN\""), (12, "\"LISTEN\"")]);
    let hostile = [&DEVELOPMENT[..], &[("NAME", "x\"\n[[routes]]\npath = \"/evil")]].concat();
    check(&SMALL.replace("\"portcullis\"", "\"${NAME}\""), &hostile, &[]);
}

#[test]
fn the_error_names_the_file_and_every_line() {
    let error = Config::parse("listen = 1", Settings::from_pairs(DEVELOPMENT)).unwrap_err();
    let text = error.in_file(Path::new("g.toml")).to_string();
    assert!(text.starts_with("g.toml is not usable:\n  line 1: "), "{text}");
    let error = Config::load(Path::new("/nowhere/g.toml"), Settings::from_pairs(DEVELOPMENT)).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nowhere/g.toml");
}

proptest::proptest! {
    /// Whatever the file says, the answer is a configuration or a list of complaints.
    #[test]
    fn any_text_is_answered(
        any in "\\PC{0,60}",
        nearly in r#"(\[{1,2}[a-z.]{0,9}\]{1,2}\n|[a-z_]{1,9} = [\[\]{}"a-z0-9=, $]{0,12}\n){0,6}"#,
    ) {
        for text in [format!("{SMALL}{any}"), format!("{SMALL}{nearly}"), any, nearly] {
            let answer = Config::parse(&text, Settings::from_pairs(DEVELOPMENT));
            let told = answer.is_ok() || !complaints(&text, &DEVELOPMENT).is_empty();
            proptest::prop_assert!(told, "{}", text);
        }
    }
}

#[test]
fn a_websocket_begins_with_get() {
    check_added("methods = [\"GET\", \"POST\"]\nwebsocket = true\n", &[]);
    check_added("methods = [\"POST\"]\nwebsocket = true\n", &[(12, "needs the method GET")]);
}

#[test]
fn a_websocket_needs_an_upstream_in_http_1() {
    let servers = SMALL.lines().find(|line| line.starts_with("servers")).unwrap();
    let text = SMALL.replace(servers, &format!("{servers}\nhttp2 = true"));
    check(&text, &DEVELOPMENT, &[]);
    check(&format!("{text}websocket = true\n"), &DEVELOPMENT, &[(13, "upstream without `http2`")]);
}

#[test]
fn a_proxys_word_needs_a_trusted_proxy() {
    let line = "trusted_proxies = [\"10.0.0.0/8\"]";
    check_replaced(line, &format!("{line}\nproxy_protocol = true"), &[]);
    check_replaced(line, "proxy_protocol = false", &[]);
    check_replaced(line, "proxy_protocol = true", &[(4, "needs `trusted_proxies`")]);
    let text = SMALL.replace(line, &format!("proxy_protocol = true\n{line}"));
    check(&text, &[KEY], &[(4, "without [tls]")]);
}

#[test]
fn no_rule_is_about_a_header_of_the_gateways() {
    let route = "[[routes]]\npath = \"/b\"\nupstream = \"auth\"\naccess = \"public\"\n";
    let check = |rules: &str, expected: &[(usize, &str)]| check_added(&format!("{route}{rules}\n"), expected);
    check("request_headers = { set = { X-Key = \"${IDENTITY_KEY}\" }, remove = [\"User-Agent\"] }", &[]);
    check("response_headers = { remove = [\"Server\"] }", &[]);
    check(
        "request_headers = { set = { x-user-id = \"root\" } }",
        &[(19, "\"x-user-id\" is the gateway's own")],
    );
    check("request_headers = { remove = [\"Authorization\"] }", &[(19, "gateway's own")]);
    check("response_headers = { set = { Set-Cookie = \"a\" } }", &[(19, "gateway's own")]);
    check("request_headers = { remove = [\"X A\"] }", &[(19, "is no name of a header")]);
    check("request_headers = { set = { X-A = \"a\\r\\nX-B: b\" } }", &[(19, "is no value of a header")]);
    check("request_headers = { set = { X-A = \"a \" } }", &[(19, "is no value of a header")]);
    check("response_headers = { set = { X-A = \"a\" }, remove = [\"x-a\"] }", &[(19, "named twice")]);
    check("response_headers = { add = { X-A = \"a\" } }", &[(19, "unknown field")]);
}

#[test]
fn a_route_has_origins_of_its_own_or_none() {
    let route = "[[routes]]\npath = \"/b\"\nupstream = \"auth\"\naccess = \"public\"\n";
    let check = |cors: &str, expected: &[(usize, &str)]| check_added(&format!("{route}{cors}\n"), expected);
    check("cors = false", &[]);
    check("cors = { origins = [\"https://a.example\"] }", &[]);
    check("cors = { origins = [\n\"https://a.example/\"] }", &[(20, "is no origin")]);
    check("cors = true", &[(19, "{ origins = […] } or false")]);
    check("cors = { origin = \"https://a.example\" }", &[(19, "unknown field")]);
}
