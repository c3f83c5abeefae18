//! `DATABASE_URL`, and what it says about TLS.

use std::path::PathBuf;
use std::str::FromStr;

use secret::Secret;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Where a database is. It may hold a password, so it is never shown.
#[derive(Debug, Clone)]
pub struct Url {
    pub(crate) config: Secret<Config>,
    pub(crate) roots: Roots,
}

/// Which certificate authorities may have signed the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// No TLS.
    None,
    /// Those of the operating system.
    System,
    /// Those in a PEM file (`sslrootcert`).
    File(PathBuf),
}

/// Why a text is no usable database URL. It never repeats the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not `postgres://…`.
    #[error("is no URL of the form postgres://user:password@host:5432/database")]
    Form,
    /// PostgreSQL's own rules for it are broken.
    #[error("is not usable: {0}")]
    Parameters(String),
    /// No database is named.
    #[error("names no database")]
    NoDatabase,
    /// `allow` and `prefer` give way to whoever interferes with the connection.
    #[error("has sslmode={0}, which protects nothing; use disable or verify-full")]
    WeakTls(String),
}

impl FromStr for Url {
    type Err = UrlError;

    /// Reads `postgres://…` with `sslmode` (`disable`, `require`, `verify-ca`, `verify-full`) and `sslrootcert`.
    ///
    /// With TLS the certificate and the host name are always verified, whatever the mode is called. Without
    /// `sslmode` a loopback address or a socket is spoken to in the clear, everything else with `verify-full`.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(UrlError::Form);
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut file, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value.to_owned()),
                Some(("sslrootcert", value)) => file = Some(PathBuf::from(value.replace("%2F", "/"))),
                _ => rest.push(pair),
            }
        }
        let mut config: Config = format!("{base}?{}", rest.join("&"))
            .parse()
            .map_err(|error: tokio_postgres::Error| UrlError::Parameters(error_text(&error)))?;
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(UrlError::NoDatabase);
        }
        let tls = match mode.as_deref() {
            None => !is_local(&config),
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(weak @ ("allow" | "prefer")) => return Err(UrlError::WeakTls(weak.to_owned())),
            Some(_) => return Err(UrlError::Parameters("sslmode is unknown".to_owned())),
        };
        config.ssl_mode(if tls { SslMode::Require } else { SslMode::Disable });
        let roots = match (tls, file) {
            (false, _) => Roots::None,
            (true, Some(file)) => Roots::File(file),
            (true, None) => Roots::System,
        };
        Ok(Self { config: Secret::new(config), roots })
    }
}

impl Url {
    /// `host:port/database`, for messages.
    pub fn place(&self) -> String {
        let config = self.config.expose();
        let host = match config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", config.get_dbname().unwrap_or_default())
    }
}

/// A `hostaddr` is where the connection goes, whatever the host is called.
fn is_local(config: &Config) -> bool {
    config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
        && config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost"
                    || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        })
}

fn error_text(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(text: &str) -> Result<Roots, UrlError> {
        text.parse::<Url>().map(|url| url.roots)
    }

    #[test]
    fn tls_is_verified_or_absent() {
        assert_eq!(roots("postgres://a:b@127.0.0.1:5432/auth"), Ok(Roots::None));
        assert_eq!(roots("postgres://a@localhost/auth"), Ok(Roots::None));
        assert_eq!(roots("postgres://a@/auth?host=/run/postgresql"), Ok(Roots::None));
        assert_eq!(roots("postgres://a@db.internal/auth"), Ok(Roots::System));
        assert_eq!(roots("postgres://a@db.internal/auth?sslmode=disable"), Ok(Roots::None));
        assert_eq!(roots("postgresql://a@db.internal/auth?sslmode=require"), Ok(Roots::System));
        assert_eq!(roots("postgres://a@localhost/auth?hostaddr=192.0.2.1"), Ok(Roots::System));
        assert_eq!(roots("postgres://a@localhost/auth?hostaddr=127.0.0.1"), Ok(Roots::None));
        let file = Roots::File("/etc/ca.pem".into());
        assert_eq!(roots("postgres://a@db/auth?sslmode=verify-full&sslrootcert=/etc/ca.pem"), Ok(file));
        assert_eq!(roots("postgres://a@db/auth?sslmode=prefer"), Err(UrlError::WeakTls("prefer".into())));
    }

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        for wrong in [
            "",
            "mysql://a:hunter2@h/d",
            "host=h dbname=d",
            "postgres://a:hunter2@h",
            "postgres://a:hunter2@h:x/d",
        ] {
            let error = wrong.parse::<Url>().unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_place_has_no_password() {
        let url: Url = "postgres://a:hunter2@db.internal:6432/auth".parse().unwrap();
        assert_eq!(url.place(), "db.internal:6432/auth");
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
