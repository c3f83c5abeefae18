//! The two databases, each with a role of its own, on whatever server there is.

use anyhow::{Context, Result};
use postgres_cluster::Psql;

use super::secrets::Settings;

/// One service's database; its role has the same name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owned {
    name: &'static str,
    password: &'static str,
}

pub(crate) const AUTH: Owned = Owned { name: "portcullis_auth", password: "AUTH_DATABASE_PASSWORD" };
pub(crate) const ORDERS: Owned = Owned { name: "portcullis_orders", password: "ORDERS_DATABASE_PASSWORD" };

/// A server, known by the URL of a user that may create roles and databases.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) psql: Psql,
}

impl Server {
    /// Creates what is missing of both databases and sets the roles' passwords.
    pub(crate) fn prepare(&self, settings: &Settings) -> Result<()> {
        for owned in [AUTH, ORDERS] {
            let statements = creation(owned.name, &settings.secret(owned.password)?);
            self.psql.run(&self.url, &statements).with_context(|| format!("preparing {}", owned.name))?;
        }
        Ok(())
    }

    /// Removes both databases and roles.
    pub(crate) fn forget(&self) -> Result<()> {
        for Owned { name, .. } in [AUTH, ORDERS] {
            let statements =
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE); DROP ROLE IF EXISTS {name};");
            self.psql.run(&self.url, &statements).with_context(|| format!("removing {name}"))?;
        }
        Ok(())
    }

    /// What the owning service connects with.
    pub(crate) fn url_for(&self, owned: Owned, settings: &Settings) -> Result<String> {
        let password = settings.secret(owned.password)?;
        replace_credentials(&self.url, owned.name, &password).context("DATABASE_URL is no postgres:// URL")
    }
}

/// Safe to repeat. Nobody but the owner connects.
fn creation(name: &str, password: &str) -> String {
    format!(
        "SELECT 'CREATE ROLE {name} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec
         ALTER ROLE {name} PASSWORD '{password}';
         GRANT {name} TO CURRENT_USER;
         SELECT 'CREATE DATABASE {name} OWNER {name}'
          WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec
         REVOKE ALL ON DATABASE {name} FROM PUBLIC;\n"
    )
}

/// The same server with the role's name, password and database.
fn replace_credentials(url: &str, name: &str, password: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (rest, query) =
        rest.split_once('?').map_or((rest, String::new()), |(rest, query)| (rest, format!("?{query}")));
    let address = rest.split_once('/').map_or(rest, |(address, _)| address);
    let host = address.rsplit_once('@').map_or(address, |(_, host)| host);
    Some(format!("{scheme}://{name}:{password}@{host}/{name}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_port_and_options_stay() {
        let check =
            |url, expected: &str| assert_eq!(replace_credentials(url, "n", "p").as_deref(), Some(expected));
        check("postgres://me:x@db:5432/postgres", "postgres://n:p@db:5432/n");
        check("postgresql://db", "postgresql://n:p@db/n");
        check("postgres://me@db/a?sslmode=verify-full", "postgres://n:p@db/n?sslmode=verify-full");
        assert_eq!(replace_credentials("db:5432", "n", "p"), None);
    }
}
