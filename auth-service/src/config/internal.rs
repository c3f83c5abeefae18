//! Where internal services reach the auth service, past the gateway.

use std::net::SocketAddr;

use process::Settings;

/// It only stands in the metadata. In development the listener's own address will do; in production nobody but the operator
/// knows, and until they say so it is the public one.
pub(super) fn read_internal_url(settings: &mut Settings, listen: SocketAddr, issuer: &str) -> String {
    let production = settings.mode().is_production();
    let given = settings.text("INTERNAL_URL");
    if given.as_ref().is_some_and(|url| !is_base(url)) {
        settings.problem("INTERNAL_URL", "must be an http:// or https:// address without query");
    }
    let otherwise = || if production { issuer.to_owned() } else { format!("http://{listen}") };
    given.unwrap_or_else(otherwise).trim_end_matches('/').to_owned()
}

fn is_base(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#@\"<>\\".contains(&byte);
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(plain))
}
