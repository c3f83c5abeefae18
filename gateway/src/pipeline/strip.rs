//! Prefix stripping: which path an upstream sees in place of the client's, and who else guards that path.
//!
//! A stripped path may be one that another route of the same upstream guards: what `/shop` strips may be
//! `/api/admin`. So every upstream to which a route strips has a second table, of the paths that it sees, and a request
//! to it must pass the route that it came by *and* the one that the path belongs to there.

use http::{Method, Uri};

use super::authorize;
use super::canonical;
use super::match_route::Routes;
use super::principal::Principal;
use crate::config::Route;
use crate::error::Rejection;

/// By upstream, the routes by the paths that it sees; none where no route strips.
#[derive(Debug)]
pub struct Behind(Box<[Option<Routes>]>);

impl Behind {
    /// Compiles the tables of a checked configuration.
    pub fn new(routes: &[Route], upstreams: usize) -> Self {
        let table = |upstream| {
            let of_it = || routes.iter().filter(move |route| route.upstream.0 == upstream);
            let seen = |route: &Route| Route { path: route.seen_path().to_owned(), ..route.clone() };
            of_it().any(|route| route.strip > 0).then(|| Routes::new(of_it().map(seen)))
        };
        Self((0..upstreams).map(table).collect())
    }

    /// What the upstream is asked for in place of `uri`, if that is anything else. The caller has passed `route`.
    ///
    /// # Errors
    /// Whatever the route that the path belongs to there would refuse.
    pub fn target(
        &self,
        route: &Route,
        (method, uri): (&Method, &Uri),
        caller: &Principal,
    ) -> Result<Option<Uri>, Rejection> {
        let Some(Some(table)) = self.0.get(route.upstream.0) else { return Ok(None) };
        let seen = uri.path().get(route.strip..).filter(|rest| !rest.is_empty()).unwrap_or("/");
        let guard = table.find(canonical::path(seen)?, method)?;
        authorize::authorize(&guard.access, caller)?;
        if route.strip == 0 {
            return Ok(None);
        }
        let target = uri.query().map_or_else(|| seen.to_owned(), |query| format!("{seen}?{query}"));
        // Part of a target that was one before.
        target.parse().map(Some).map_err(|_| Rejection::Internal)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Access;
    use crate::pipeline::principal::tests::{client, user};

    fn route(path: &str, strip: usize, access: Access) -> Route {
        Route { strip, access, ..crate::config::tests::route(path) }
    }

    /// `/shop` is open and stripped; the same service has orders for users, and an administration.
    fn shop() -> Vec<Route> {
        vec![
            route("/shop", 5, Access::Public),
            route("/v2/api", 3, Access::Authenticated),
            route("/api/orders", 0, Access::Authenticated),
            route("/admin/api/users", 6, Access::Roles(vec!["ADMIN".into()])),
            route("/machines", 0, Access::Clients(vec!["reports".into()])),
        ]
    }

    fn target(routes: &[Route], uri: &str, caller: &Principal) -> Result<String, u16> {
        let uri: Uri = uri.parse().unwrap();
        let table = Routes::new(routes.iter().cloned());
        let route = table.find(canonical::path(uri.path()).unwrap(), &Method::GET).unwrap();
        authorize::authorize(&route.access, caller).unwrap();
        let target = Behind::new(routes, 1).target(route, (&Method::GET, &uri), caller);
        let target = target.map_err(|rejection| rejection.status().0.as_u16())?;
        Ok(target.unwrap_or(uri).to_string())
    }

    #[test]
    fn the_upstream_sees_what_is_left() {
        let check = |uri: &str, seen: &str| {
            assert_eq!(target(&shop(), uri, &Principal::anonymous()), Ok(seen.to_owned()), "{uri}");
        };
        check("/shop", "/");
        check("/shop/", "/");
        check("/shop?a=/shop", "/?a=/shop");
        check("/shop/shop/x?y", "/shop/x?y");
        check("/shop/apix", "/apix");
        check("/shop/a%20b;v=1", "/a%20b;v=1");
    }

    #[test]
    fn what_another_route_guards_stays_guarded() {
        let (ann, admin) = (user("ann@example.com", "USER"), user("root@example.com", "ADMIN"));
        let check = |uri: &str, caller: &Principal, expected: Result<&str, u16>| {
            assert_eq!(target(&shop(), uri, caller), expected.map(str::to_owned), "{uri}");
        };
        // A public route reads no token, so nobody but an anonymous caller ever comes this way.
        for guarded in ["/shop/api", "/shop/api/orders/1", "/shop/api/users", "/shop/machines"] {
            check(guarded, &Principal::anonymous(), Err(403));
        }
        check("/shop/api;v=1/orders", &Principal::anonymous(), Err(400));
        check("/v2/api/things", &ann, Ok("/api/things"));
        check("/v2/api/users", &ann, Err(403));
        check("/v2/api/users/1", &admin, Ok("/api/users/1"));
        check("/api/orders", &ann, Ok("/api/orders"));
        check("/admin/api/users", &admin, Ok("/api/users"));
        check("/machines/a", &client("reports"), Ok("/machines/a"));
    }

    #[test]
    fn an_unstripped_route_does_not_reach_what_a_stripped_one_guards() {
        let routes = [
            route("/api", 0, Access::Authenticated),
            route("/admin/api/users", 6, Access::Roles(vec!["ADMIN".into()])),
        ];
        let ann = user("ann@example.com", "USER");
        assert_eq!(target(&routes, "/api/users/1", &ann), Err(403));
        assert_eq!(target(&routes, "/api/orders", &ann), Ok("/api/orders".to_owned()));
    }

    #[test]
    fn without_stripping_there_is_nothing_to_ask() {
        let routes = [route("/a", 0, Access::Public)];
        assert!(Behind::new(&routes, 1).0[0].is_none());
    }

    proptest! {
        /// Whoever gets a path through, its guard there lets them; what is seen is canonical.
        #[test]
        fn nothing_is_reached_that_is_guarded(rest in "(/(api|orders|users|machines|x)){0,4}/?(\\?a=b)?") {
            let uri = format!("/shop{rest}");
            if let Ok(seen) = target(&shop(), &uri, &Principal::anonymous()) {
                prop_assert!(!["/api", "/machines"].iter().any(|guarded| {
                    let path = seen.split('?').next().unwrap();
                    path.strip_prefix(guarded).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                }), "{}", seen);
                prop_assert!(canonical::path(seen.split('?').next().unwrap()).is_ok());
            }
        }
    }
}
