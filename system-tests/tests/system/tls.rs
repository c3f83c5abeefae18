//! PostgreSQL over TLS, verified.

use std::os::unix::fs::PermissionsExt as _;

use system_tests::{Options, Server, Stack};

#[tokio::test]
async fn the_services_reach_postgresql_over_verified_tls_only() {
    let folder = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
    std::fs::write(&certificate, signed.cert.pem()).unwrap();
    std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    for path in [folder.path(), &certificate, &key] {
        postgres_cluster::give_to_server(path).unwrap();
    }
    let settings = [
        ("ssl", "on"),
        ("ssl_cert_file", certificate.to_str().unwrap()),
        ("ssl_key_file", key.to_str().unwrap()),
    ];
    let server = Server::own(&settings);
    let root = certificate.to_str().unwrap();
    let verified = |which: &str, root: &str| {
        let url = server.url(which).replace("127.0.0.1", "localhost");
        format!("{url}?sslmode=verify-full&sslrootcert={root}")
    };
    let (auth, orders) = (verified("auth", root), verified("orders", root));
    let options = Options { orders: vec![("DATABASE_URL", orders)], ..Options::default() };
    let stack = Stack::on(server, options.auth("DATABASE_URL", auth)).await;
    stack.customer("ann").await.place_order("tea").await;
    let encrypted =
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND datname = 'auth'";
    let row = stack.auth_database().await.query_one(encrypted, &[]).await.unwrap();
    assert!(row.get::<_, i64>(0) > 0, "the auth services' connections are encrypted");
}
