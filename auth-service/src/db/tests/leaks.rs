//! What somebody who steals the database has: no token, no private key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secret::Secret;
use time::OffsetDateTime;

use super::actors::{World, hash, new_user};
use super::keys::change;
use crate::accounts::Role;
use crate::accounts::bootstrap::{BootstrapToken, LIFETIME};
use crate::db::bootstrap;
use crate::tokens::locksmith::KeyChange;
use crate::tokens::rotation::KeyTimes;
use crate::tokens::{Algorithm, BoxKeys, RefreshKeys, RootSecrets, SigningKey};

/// Every row of every table as text, as `pg_dump` writes it.
async fn dump(world: &World) -> String {
    let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
    let mut text = String::new();
    for table in world.sql.query(tables, &[]).await.unwrap() {
        let rows = format!("SELECT t::text FROM {} t", table.get::<_, String>(0));
        for row in world.sql.query(&rows, &[]).await.unwrap() {
            text.push_str(row.get(0));
            text.push('\n');
        }
    }
    text
}

fn check_absent(dump: &str, what: &str, bytes: &[u8]) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    for spelling in [hex, STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)] {
        assert!(!dump.contains(&spelling), "{what} is in the database");
    }
}

#[tokio::test]
async fn a_dump_holds_no_usable_token_and_no_private_key() {
    let world = World::new().await;
    let secrets = RootSecrets::new(&Secret::new(vec![1; 32]), &[]);
    let (zero, _) = world.login(&world.user("ann").await).await.unwrap();
    world.refresh(&zero).await;
    let offered = BootstrapToken::generate().unwrap();
    bootstrap::offer(&world.db, offered.hash(), LIFETIME).await.unwrap();
    let now = OffsetDateTime::now_utc();
    let times = KeyTimes { created_at: now, signs_from: now, token_lifetime: LIFETIME };
    let boxes = BoxKeys::new(&secrets);
    let private = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let sealed = boxes.seal(Algorithm::EdDsa, &private, times).unwrap();
    change(&world, KeyChange::Insert(sealed.clone())).await;

    let dump = dump(&world).await;
    assert!(
        dump.contains(&zero.session_id.to_string()) && dump.contains(&sealed.label.kid),
        "the dump is a dump"
    );
    check_absent(&dump, "the bootstrap token", offered.expose().as_bytes());
    for generation in 0..3 {
        let token = RefreshKeys::new(&secrets).issue(&zero.at_generation(generation));
        assert!(!dump.contains(token.expose()));
        let token = URL_SAFE_NO_PAD.decode(token.expose()).unwrap();
        check_absent(&dump, "the token", &token);
        // docs/refresh-token.md: the nonce stands before the tag.
        check_absent(&dump, "the nonce", &token[30..46]);
    }
    check_absent(&dump, "the private key", private.expose());
    // RFC 8410: the 32 bytes of the key itself follow a header of 16.
    check_absent(&dump, "the private key's seed", &private.expose()[16..48]);
    assert!(SigningKey::from_pkcs8(Algorithm::EdDsa, &Secret::new(sealed.sealed), times).is_err());
}

#[tokio::test]
async fn debug_output_of_what_the_tables_give_hides_secrets() {
    let text = format!("{:?}", new_user("ann", Role::User));
    assert!(!text.contains(hash().expose()) && !text.contains("ann@"), "{text}");
}
