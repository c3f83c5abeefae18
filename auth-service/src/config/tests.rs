//! What each mode accepts and refuses.

use super::*;
use crate::tokens::RotationPolicy;

const KEY: &str = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";

const DEVELOPMENT: [(&str, &str); 4] = [
    ("APP_ENV", "development"),
    ("DATABASE_URL", "postgres://auth@localhost/auth"),
    ("JWT_SECRET", KEY),
    ("IDENTITY_KEY", KEY),
];

const PRODUCTION: [(&str, &str); 5] = [
    ("DATABASE_URL", "postgres://auth@localhost/auth"),
    ("JWT_SECRET", KEY),
    ("IDENTITY_KEY", KEY),
    ("JWT_ISSUER", "https://shop.example"),
    ("ALLOWED_ORIGINS", "https://shop.example"),
];

fn read(base: &[(&str, &str)], changes: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let pairs = base.iter().chain(changes).map(|(name, value)| (*name, *value));
    Config::read(Settings::from_pairs(pairs)).map_err(|SettingsError(complaints)| complaints)
}

#[test]
fn development_needs_a_database_and_two_secrets() {
    let config = read(&DEVELOPMENT, &[]).unwrap();
    assert!(config.allow_bootstrap);
    assert_eq!(config.cookie.name(), "refresh_token");
    assert_eq!(config.hashing.cost, Cost::DEFAULT);
    assert_eq!(config.tokens.access.lifetime, 15 * MINUTE);
    let RotationPolicy { every, publish_ahead, token_lifetime } = config.tokens.rotation;
    assert_eq!((every, publish_ahead, token_lifetime), (30 * DAY, 15 * MINUTE, 15 * MINUTE));
    assert_eq!(config.identity.name, "auth");
    assert_eq!(config.database.pool, 16);
    assert_eq!(config.database.direct.place(), config.database.url.place());
    assert_eq!(config.audit_retention, 90 * DAY);
}

#[test]
fn production_makes_the_cookie_safe_and_closes_bootstrap() {
    let config = read(&PRODUCTION, &[]).unwrap();
    assert!(!config.allow_bootstrap);
    assert_eq!(config.cookie.name(), "__Host-refresh_token");
}

#[test]
fn an_empty_environment_is_told_all_that_is_missing() {
    let complaints = read(&[], &[]).unwrap_err();
    for name in ["DATABASE_URL", "JWT_ISSUER", "JWT_SECRET", "ALLOWED_ORIGINS", "IDENTITY_KEY"] {
        assert_eq!(
            complaints.iter().filter(|complaint| complaint.starts_with(name)).count(),
            1,
            "{name}: {complaints:?}"
        );
    }
    assert!(complaints.iter().any(|complaint| complaint.contains("openssl rand -base64 32")));
}

/// One setting that is wrong gives one complaint that begins with its name.
fn check(base: &[(&str, &str)], name: &str, value: &str, usable: bool) {
    match read(base, &[(name, value)]) {
        Ok(_) => assert!(usable, "{name}={value} was accepted"),
        Err(complaints) => {
            assert!(!usable, "{name}={value}: {complaints:?}");
            assert!(complaints.len() == 1 && complaints[0].starts_with(name), "{complaints:?}");
        }
    }
}

#[test]
fn what_only_development_may_do() {
    for (name, value) in [
        ("ALLOW_BOOTSTRAP", "true"),
        ("COOKIE_SECURE", "false"),
        ("BCRYPT_COST", "9"),
        ("JWT_ISSUER", "http://shop.example"),
        ("KEY_PUBLISH_AHEAD", "9m"),
        ("THROTTLE_ACCOUNT", "off"),
        ("ALLOWED_ORIGINS", "http://shop.example"),
        ("MAIL_LINK_BASE", "http://shop.example"),
    ] {
        check(&DEVELOPMENT, name, value, true);
        check(&PRODUCTION, name, value, false);
    }
}

#[test]
fn what_nobody_may_do() {
    for (name, value) in [
        ("DATABASE_URL", "mysql://localhost/auth"),
        ("DATABASE_POOL", "0"),
        ("LISTEN", "8081"),
        ("ADMIN_LISTEN", "everywhere"),
        ("JWT_SECRET", "secret"),
        ("JWT_SECRET_PREVIOUS", "secret"),
        ("JWT_ALG", "none"),
        ("JWT_ACCESS_TTL", "0s"),
        ("JWT_ACCESS_TTL", "25h"),
        ("KEY_ROTATION", "1s"),
        ("KEY_ROTATION", "15m"),
        ("KEY_PUBLISH_AHEAD", "4s"),
        ("JWT_REFRESH_TTL", "for ever"),
        ("REFRESH_GRACE", "2h"),
        ("BCRYPT_COST", "3"),
        ("BCRYPT_COST", "twelve"),
        ("HASH_THREADS", "0"),
        ("HASH_QUEUE_DEADLINE", "2h"),
        ("THROTTLE_ACCOUNT_ADDRESS", "5"),
        ("THROTTLE_ADDRESS", "5/0s"),
        ("THROTTLE_REGISTRATION", "none"),
        ("COOKIE_DOMAIN", "shop.example; Secure"),
        ("COOKIE_SAMESITE", "strict"),
        ("COOKIE_SAMESITE", "None"),
        ("IDENTITY_KEY", "secret"),
        ("IDENTITY_NAME", "au th"),
        ("ALLOW_BOOTSTRAP", "yes"),
        ("LOG_FORMAT", "xml"),
        ("INTERNAL_URL", "auth.internal:8081"),
        ("INTERNAL_URL", "https:///oauth"),
        ("INTERNAL_URL", "https://auth.internal/?x=1"),
        ("MAIL_LINK_BASE", "shop.example"),
        ("MAIL_VERIFY_TTL", "31d"),
        ("MAIL_RESET_TTL", "59s"),
        ("REQUIRE_VERIFIED_EMAIL", "true"),
    ] {
        check(&DEVELOPMENT, name, value, false);
    }
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    for origin in [
        "https://shop.example",
        "http://localhost:3000",
        "http://[::1]:3000",
        "https://xn--bcher-kva.example:8443",
    ] {
        check(&DEVELOPMENT, "ALLOWED_ORIGINS", origin, true);
    }
    for origin in [
        "*",
        "null",
        "shop.example",
        "https://",
        "https://shop.example/",
        "https://Shop.example",
        "https://shop.example:443",
        "https://*.shop.example",
        "ftp://shop.example",
    ] {
        check(&DEVELOPMENT, "ALLOWED_ORIGINS", origin, false);
    }
}

const MAIL: [(&str, &str); 3] = [
    ("MAIL_SMTP_URL", "smtps://user:hunter2@mail.example"),
    ("MAIL_FROM", "Shop <no-reply@shop.example>"),
    ("MAIL_LINK_BASE", "https://shop.example"),
];

#[test]
fn mail_is_sent_by_settings_and_else_not() {
    let with = |changes: &[(&str, &str)]| read(&PRODUCTION, &[&MAIL[..], changes].concat());
    assert!(read(&PRODUCTION, &[]).unwrap().mail.post.is_none());
    let mail = with(&[("REQUIRE_VERIFIED_EMAIL", "true")]).unwrap().mail;
    assert!(mail.require_verified && mail.links.base.is_some());
    assert!(matches!(mail.post.unwrap().way, Way::Smtp(_)));
    assert!(read(&DEVELOPMENT, &[]).unwrap().mail.post.is_none());
    let mailbox = read(&DEVELOPMENT, &[("MAIL_SMTP_URL", "mailbox:")]).unwrap().mail.post.unwrap();
    assert!(matches!(mailbox.way, Way::Mailbox));
    let open = with(&[("MAIL_SMTP_URL", "mailbox:")]).unwrap_err();
    assert!(open.len() == 1 && open[0].starts_with("MAIL_SMTP_URL"), "{open:?}");
}

#[test]
fn all_that_is_wrong_with_mail_is_told_at_once_and_no_password() {
    let wrong = [
        ("MAIL_SMTP_URL", "smtps://user:hunter2@mail.example/inbox"),
        ("MAIL_FROM", "Shop"),
        ("MAIL_LINK_BASE", "http://shop.example"),
        ("MAIL_VERIFY_TTL", "1s"),
    ];
    let complaints = read(&PRODUCTION, &wrong).unwrap_err();
    for (name, _) in wrong {
        let about = complaints.iter().filter(|complaint| complaint.starts_with(name)).count();
        assert_eq!(about, 1, "{name}: {complaints:?}");
    }
    assert!(!complaints.concat().contains("hunter2"), "{complaints:?}");
    let lacking = read(&PRODUCTION, &MAIL[..1]).unwrap_err();
    assert!(lacking[0].starts_with("MAIL_FROM") && lacking[1].starts_with("MAIL_LINK_BASE"), "{lacking:?}");
}

/// The page for operators names every setting that this process reads.
#[test]
fn every_setting_is_documented() {
    let page = include_str!("../../../docs/auth-service.md");
    let mut source = include_str!("../config.rs").to_owned();
    for part in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/config")).unwrap() {
        let part = part.unwrap().path();
        if !part.ends_with("tests.rs") {
            source.push_str(&std::fs::read_to_string(part).unwrap());
        }
    }
    let words = source.split(|character: char| !(character.is_ascii_uppercase() || character == '_'));
    for setting in words.filter(|word| word.len() > 4 && word.contains('_')) {
        let is_constant = source.contains(&format!("const {setting}"))
            || setting.starts_with("LEAST_")
            || setting.starts_with("LONGEST_");
        assert!(is_constant || page.contains(&format!("`{setting}`")), "{setting} is missing from the page");
    }
    for setting in [
        "MAIL_SMTP_URL",
        "MAIL_FROM",
        "MAIL_LINK_BASE",
        "MAIL_VERIFY_TTL",
        "LISTEN",
        "LOG",
        "LOG_FORMAT",
        "APP_ENV",
    ] {
        assert!(page.contains(&format!("`{setting}`")), "{setting} is missing from the page");
    }
}

#[test]
fn what_goes_round_a_pooler_has_an_address_of_its_own() {
    let direct = ("DATABASE_DIRECT_URL", "postgres://auth@localhost:6543/auth");
    let config = read(&DEVELOPMENT, &[direct]).unwrap();
    assert!(config.database.direct.place().contains("6543"), "{}", config.database.direct.place());
    assert!(!config.database.url.place().contains("6543"));
    let complaints = read(&DEVELOPMENT, &[("DATABASE_DIRECT_URL", "nowhere")]).unwrap_err();
    assert!(complaints[0].starts_with("DATABASE_DIRECT_URL"), "{complaints:?}");
}

#[test]
fn the_audit_trail_is_kept_for_a_day_at_least() {
    let complaints = read(&PRODUCTION, &[("AUDIT_RETENTION", "1h")]).unwrap_err();
    assert!(complaints[0].starts_with("AUDIT_RETENTION"), "{complaints:?}");
}

#[test]
fn internal_services_find_the_service_where_it_says() {
    let check = |base: &[(&str, &str)], changes: &[(&str, &str)], expected: &str| {
        assert_eq!(read(base, changes).unwrap().internal_url, expected);
    };
    check(&DEVELOPMENT, &[], "http://127.0.0.1:8081");
    check(&PRODUCTION, &[], "https://shop.example");
    check(&PRODUCTION, &[("INTERNAL_URL", "https://auth.internal:8443/")], "https://auth.internal:8443");
}
