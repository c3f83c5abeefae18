//! Whoever has a copy of the auth database has no token and no key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use system_tests::{PASSWORD, Stack};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_dump_yields_no_usable_token_and_no_private_key() {
    let stack = Stack::start().await;
    let ann = stack.customer("ann").await;
    ann.refresh().await.expect(200);
    let token = ann.refresh_token();
    let program = postgres_cluster::find().first().expect("a PostgreSQL").program("pg_dump");
    let output = tokio::process::Command::new(program).arg(stack.server.url("auth")).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dump = String::from_utf8(output.stdout).unwrap().to_lowercase();
    assert!(dump.contains("copy public.sessions"), "the dump holds the tables");
    assert!(dump.contains("ann@shop.example"));

    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    let (nonce, tag) = bytes[30..].split_at(16);
    for secret in [
        token.clone(),
        ann.access_token().to_owned(),
        PASSWORD.to_owned(),
        // Any eight bytes of the nonce or the tag, in the form in which a bytea is dumped.
        hex(&nonce[..8]),
        hex(&nonce[8..]),
        hex(&tag[..8]),
        hex(&tag[24..]),
        // The start of a P-256 and of an Ed25519 key in PKCS #8, and of either in PEM.
        "308187020100301306072a8648ce3d".to_owned(),
        "302e020100300506032b6570".to_owned(),
        "private key".to_owned(),
    ] {
        assert!(!dump.contains(&secret.to_lowercase()), "the dump holds {secret}");
    }
}
