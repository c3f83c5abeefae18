//! Stage two: which route a path belongs to. Whole segments, and the longest wins; no match is no access.

use std::collections::{HashMap, HashSet};

use http::{HeaderValue, Method};

use super::canonical::{self, Path};
use crate::config::Route;

/// The compiled route table.
#[derive(Debug)]
pub struct Routes {
    by_path: HashMap<String, Entry>,
    /// The same paths in lower case.
    folded: HashSet<String>,
    /// The segments of the longest path: a request's further ones cannot matter.
    depth: usize,
}

/// What is routed at a path, whichever method it takes.
#[derive(Debug)]
pub struct Entry {
    /// The route.
    pub route: Route,
    allow: HeaderValue,
}

/// Why a request has no route.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Nothing is routed there.
    #[error("Nothing is served at this path.")]
    Path,
    /// To a server that reads it otherwise, the path leads elsewhere.
    #[error("This path leads elsewhere for a server that ignores case or parameters.")]
    Ambiguous,
    /// The route does not take the method; `Allow` says which it takes.
    #[error("This path does not take this method.")]
    Method(HeaderValue),
}

impl Routes {
    /// Compiles the table of a checked configuration.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let entry = |route: Route| {
            let allow = allow(route.methods.as_deref().unwrap_or(&canonical::METHODS));
            (route.path.clone(), Entry { route, allow })
        };
        let by_path: HashMap<_, _> = routes.into_iter().map(entry).collect();
        let depth = by_path.keys().map(|path| slashes(path)).max().unwrap_or(0);
        let folded = by_path.keys().map(|path| path.to_ascii_lowercase()).collect();
        Self { by_path, folded, depth }
    }

    /// The route of a request.
    ///
    /// # Errors
    /// [`NoRoute`]; a longer path that lacks the method is not passed over for a shorter one.
    pub fn find(&self, path: Path<'_>, method: &Method) -> Result<&Route, NoRoute> {
        self.at(path)?.taking(method)
    }

    /// What a path belongs to.
    ///
    /// # Errors
    /// [`NoRoute`]; a path that might belong to another route for the server behind belongs to none.
    pub fn at(&self, path: Path<'_>) -> Result<&Entry, NoRoute> {
        let found = self.longest(path.as_str(), |prefix| self.by_path.get(prefix));
        let entry = found.ok_or(NoRoute::Path)?;
        if self.leads_elsewhere(path, &entry.route) {
            return Err(NoRoute::Ambiguous);
        }
        Ok(entry)
    }

    /// Would a server find another route that ignores case, as many do by default, that cuts off `;…`, or that
    /// decodes a `?` and parses again?
    fn leads_elsewhere(&self, path: Path<'_>, route: &Route) -> bool {
        let (bare, cut) = (path.without_parameters(), path.before_encoded_query());
        let mut readings = [Some(path.as_str()), bare.as_deref(), cut].into_iter().flatten();
        readings.any(|reading| {
            let reading = reading.to_ascii_lowercase();
            let other = self.longest(&reading, |prefix| self.folded.get(prefix));
            other.is_some_and(|other| !other.eq_ignore_ascii_case(&route.path))
        })
    }

    /// Looks the path up, shortened by a segment each time; a route's path never ends in a slash.
    fn longest<T>(&self, path: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut prefix = first_segments(path, self.depth);
        loop {
            if let Some(found) = find(prefix) {
                return Some(found);
            }
            prefix = &prefix[..prefix.rfind('/')?];
        }
    }
}

impl Entry {
    /// The route, if it takes this method.
    ///
    /// # Errors
    /// [`NoRoute::Method`].
    pub fn taking(&self, method: &Method) -> Result<&Route, NoRoute> {
        match &self.route.methods {
            Some(methods) if !methods.contains(method) => Err(NoRoute::Method(self.allow.clone())),
            _ => Ok(&self.route),
        }
    }
}

/// The first `count` segments, so that a path of ten thousand slashes costs no more than another.
fn first_segments(path: &str, count: usize) -> &str {
    let end = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/').nth(count);
    end.map_or(path, |(at, _)| &path[..at])
}

fn slashes(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

fn allow(methods: &[Method]) -> HeaderValue {
    let names = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    HeaderValue::try_from(names).unwrap_or_else(|_| HeaderValue::from_static(canonical::ALLOW))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(path: &str, methods: Option<Vec<Method>>) -> Route {
        Route { methods, ..crate::config::tests::route(path) }
    }

    fn table() -> Routes {
        Routes::new([
            route("/api/auth", None),
            route("/api/auth/login", Some(vec![Method::POST])),
            route("/api/admin/orders", None),
            route("/.well-known/jwks.json", Some(vec![Method::GET, Method::HEAD])),
        ])
    }

    fn check(path: &str, method: &Method, expected: Result<&str, &str>) {
        let table = table();
        let found = table.find(canonical::path(path).unwrap(), method);
        let found = found.map(|route| route.path.as_str()).map_err(|error| match error {
            NoRoute::Path => "404".to_owned(),
            NoRoute::Ambiguous => "400".to_owned(),
            NoRoute::Method(allow) => allow.to_str().unwrap().to_owned(),
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{path}");
    }

    #[test]
    fn whole_segments_and_the_longest_wins() {
        check("/api/auth", &Method::GET, Ok("/api/auth"));
        check("/api/auth/", &Method::GET, Ok("/api/auth"));
        check("/api/auth/me", &Method::GET, Ok("/api/auth"));
        check("/api/authx", &Method::GET, Err("404"));
        check("/api/auth/login", &Method::POST, Ok("/api/auth/login"));
        check("/api/auth/login/", &Method::POST, Ok("/api/auth/login"));
        check("/api/auth/login/again/and/again", &Method::POST, Ok("/api/auth/login"));
        check("/api/auth/loginx", &Method::POST, Ok("/api/auth"));
        check("/api/AUTH/login", &Method::POST, Err("404"));
        check("/api", &Method::GET, Err("404"));
        check("/", &Method::GET, Err("404"));
        check("/x/y/z", &Method::GET, Err("404"));
    }

    #[test]
    fn a_method_that_is_not_taken_is_not_looked_for_elsewhere() {
        check("/api/auth/login", &Method::GET, Err("POST"));
        check("/.well-known/jwks.json", &Method::PUT, Err("GET, HEAD"));
    }

    #[test]
    fn parameters_lead_nowhere_else() {
        check("/api/auth/me;v=1", &Method::GET, Ok("/api/auth"));
        check("/api/auth/login/;v=1", &Method::POST, Ok("/api/auth/login"));
        for path in ["/api/auth/login;v=1", "/api/auth/login%3bv/x", "/api/auth/login%253B"] {
            check(path, &Method::POST, Err("400"));
        }
        check("/api;v=1/auth", &Method::GET, Err("404"));
        let table = Routes::new([route("", None), route("/admin", None)]);
        let find = |path| table.find(canonical::path(path).unwrap(), &Method::GET).map(|route| &*route.path);
        assert_eq!(find("/admin;v=1"), Err(NoRoute::Ambiguous));
        assert_eq!(find("/x;v=1/admin"), Ok(""));
    }

    #[test]
    fn case_and_encoded_queries_lead_nowhere_else() {
        let table = Routes::new([route("", None), route("/admin", None), route("/api/Orders", None)]);
        let find = |path| table.find(canonical::path(path).unwrap(), &Method::GET).map(|route| &*route.path);
        for path in [
            "/ADMIN",
            "/Admin/x",
            "/api/orders",
            "/admin%3fx",
            "/admin%253Fx",
            "/admin%23x/y",
            "/ADMIN;x",
            "/Admin%3f",
        ] {
            assert_eq!(find(path), Err(NoRoute::Ambiguous), "{path}");
        }
        for (path, expected) in [
            ("/X", ""),
            ("/admin/X", "/admin"),
            ("/api/Orders/A", "/api/Orders"),
            ("/x%3fadmin", ""),
            ("/API", ""),
        ] {
            assert_eq!(find(path), Ok(expected), "{path}");
        }
    }

    #[test]
    fn a_route_for_everything() {
        let table = Routes::new([route("", None), route("/a/b", None)]);
        for (path, expected) in [("/", ""), ("/a", ""), ("/a/b", "/a/b"), ("/a/b/c", "/a/b"), ("/a/bc", "")] {
            let found = table.find(canonical::path(path).unwrap(), &Method::GET).unwrap();
            assert_eq!(found.path, expected, "{path}");
        }
    }

    proptest! {
        /// The table against its definition, read off the list of routes.
        #[test]
        fn the_longest_prefix_of_whole_segments(
            routes in prop::collection::hash_set("(/[ab]{1,2}){0,4}", 0..12),
            path in "(/[ab]{1,2}){1,6}/?",
        ) {
            let is_prefix = |route: &&String| {
                path.strip_prefix(route.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            let expected = routes.iter().filter(is_prefix).max_by_key(|route| route.len());
            let table = Routes::new(routes.iter().map(|path| route(path, None)));
            let found = table.find(canonical::path(&path).unwrap(), &Method::GET).ok();
            prop_assert_eq!(found.map(|route| &route.path), expected);
        }
    }
}
