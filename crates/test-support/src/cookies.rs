//! A cookie jar as small as the tests need.
//!
//! It keeps paths, because which requests carry the refresh cookie is part of the contract. It
//! ignores `Secure`, `Domain` and `SameSite`: a test reads those off [`SetCookie`] itself.

/// One `Set-Cookie` line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    /// The cookie's name.
    pub name: String,
    /// Its value, as sent.
    pub value: String,
    /// The attributes in their order, names in lower case; a flag has an empty value.
    pub attributes: Vec<(String, String)>,
}

impl SetCookie {
    /// Takes a `Set-Cookie` line apart; `None` when it has no `name=value`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let attributes = parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Some(Self { name: name.to_owned(), value: value.to_owned(), attributes })
    }

    /// The attribute's value; an empty text for a flag such as `HttpOnly`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the line asks the browser to forget the cookie.
    pub fn deletes(&self) -> bool {
        let age = self.attribute("max-age").and_then(|age| age.parse().ok());
        age.map_or_else(
            || self.attribute("expires").is_some_and(|at| at.contains("1970")),
            |age: i64| age <= 0,
        )
    }

    fn path(&self) -> &str {
        self.attribute("path").filter(|path| path.starts_with('/')).unwrap_or("/")
    }

    /// RFC 6265, 5.1.4.
    fn covers(&self, path: &str) -> bool {
        let own = self.path();
        path.strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || own.ends_with('/') || rest.starts_with('/'))
    }
}

/// The cookies that a client holds.
#[derive(Debug, Clone, Default)]
pub struct CookieJar {
    held: Vec<SetCookie>,
}

impl CookieJar {
    /// Takes one `Set-Cookie` line in, as a browser would: replace, add or forget.
    pub fn store(&mut self, line: &str) {
        let Some(cookie) = SetCookie::parse(line) else {
            return;
        };
        self.held.retain(|held| held.name != cookie.name || held.path() != cookie.path());
        if !cookie.deletes() {
            self.held.push(cookie);
        }
    }

    /// The value of the cookie called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.held.iter().find(|held| held.name == name).map(|held| held.value.as_str())
    }

    /// The `Cookie` header for a request to `path`; `None` when nothing matches.
    pub fn header(&self, path: &str) -> Option<String> {
        let pairs: Vec<_> = self
            .held
            .iter()
            .filter(|held| held.covers(path))
            .map(|held| format!("{}={}", held.name, held.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_to_its_path_and_below_only() {
        let mut jar = CookieJar::default();
        jar.store("refresh_token=abc; Path=/api/auth; HttpOnly; Max-Age=60");
        assert_eq!(jar.header("/api/auth/refresh").as_deref(), Some("refresh_token=abc"));
        assert_eq!(jar.header("/api/auth").as_deref(), Some("refresh_token=abc"));
        assert_eq!(jar.header("/api/authx"), None);
        assert_eq!(jar.header("/api/orders"), None);
    }

    #[test]
    fn a_deletion_forgets_the_cookie() {
        let mut jar = CookieJar::default();
        jar.store("a=1; Path=/");
        jar.store("a=; Path=/; Max-Age=0");
        assert_eq!(jar.get("a"), None);
        jar.store("b=1");
        jar.store("b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(jar.get("b"), None);
    }
}
