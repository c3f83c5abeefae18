//! What the processes refuse at start, and how they say it.

use std::process::{Command, Output};

use test_support::binary;

const KEY: &str = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";

fn check_config(program: &str, settings: &[(&str, &str)]) -> Output {
    Command::new(binary(program))
        .arg("check-config")
        .env_clear()
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

fn complaints(program: &str, settings: &[(&str, &str)]) -> String {
    let output = check_config(program, settings);
    assert!(!output.status.success(), "{program} {settings:?} was accepted");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

const PRODUCTION: [(&str, &str); 5] = [
    ("DATABASE_URL", "postgres://auth@db.internal/auth"),
    ("JWT_SECRET", KEY),
    ("IDENTITY_KEY", KEY),
    ("JWT_ISSUER", "https://shop.example"),
    ("ALLOWED_ORIGINS", "https://shop.example"),
];

#[test]
fn nothing_set_means_production_and_every_missing_setting_is_named() {
    let text = complaints("auth-service", &[]);
    for name in ["DATABASE_URL", "JWT_SECRET", "IDENTITY_KEY", "JWT_ISSUER", "ALLOWED_ORIGINS"] {
        assert!(text.contains(name), "{name} in:\n{text}");
    }
    assert!(text.contains("openssl rand -base64 32"), "the command that makes a secret:\n{text}");
    let text = complaints("business-api", &[]);
    for name in ["DATABASE_URL", "IDENTITY_KEY"] {
        assert!(text.contains(name), "{name} in:\n{text}");
    }
}

#[test]
fn production_refuses_what_development_allows() {
    assert!(check_config("auth-service", &PRODUCTION).status.success());
    let check = |name: &str, value: &str| {
        let mut settings = PRODUCTION.to_vec();
        settings.push((name, value));
        let text = complaints("auth-service", &settings);
        assert!(text.contains(name), "{name} in:\n{text}");
        assert!(!text.contains(KEY), "a secret is never repeated:\n{text}");
    };
    check("ALLOW_BOOTSTRAP", "true");
    check("COOKIE_SECURE", "false");
    check("JWT_SECRET", "secret");
    check("JWT_SECRET", &"0".repeat(64));
    check("JWT_ISSUER", "http://shop.example");
    check("ALLOWED_ORIGINS", "http://shop.example");
    check("BCRYPT_COST", "4");
    check("NODE_ENV", "test");
    check("DATABASE_URL", "postgres://auth:hunter2@db.internal/auth?sslmode=prefer");
}
