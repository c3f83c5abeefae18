//! Rule 4: what no route names is not there, and a route that does not say who may call is no configuration.

use gateway::config::Config;
use process::Settings;

use crate::support::IDENTITY_KEY;
use crate::world::{Ask, World};

#[tokio::test]
async fn neighbours_of_a_route_are_nobodys() {
    let world = World::new().await;
    for target in [
        "/",
        "/x",
        "{path}x",
        "{path}-",
        "{path}.",
        "{path}_x",
        "{path}%20",
        "/x{path}",
        "/PUBLIC",
        "/Private",
        "/OPTIONAL",
        "/privat",
        "/privatex/",
        "/readyz",
        "/metrics",
        "/healthz",
        "/verify",
        "/.well-known/jwks.json",
        "/favicon.ico",
        "/internal/revocations",
    ] {
        world.refuses(&Ask::new("GET", target, &[]), 404, "not_found").await;
    }
}

#[tokio::test]
async fn a_route_for_others_is_closed_to_everybody_else() {
    let world = World::new().await;
    for door in world.doors() {
        let outcome = world.send(&door, "GET /admin HTTP/1.1\r\n{head}\r\n").await;
        let expected = if door.token.is_some() { (403, "forbidden") } else { (401, "unauthenticated") };
        assert_eq!((outcome.replies[0].status, outcome.replies[0].code.as_str()), expected);
        assert!(outcome.arrived.is_empty() && outcome.kept);
    }
}

#[test]
fn a_configuration_that_leaves_access_open_is_none() {
    let check = |route: &str, message: &str| {
        let text = format!(
            "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n[tokens]\nissuer = \"i\"\naudience = \"a\"\n\
             jwks = \"http://127.0.0.1:1/\"\n[upstreams.orders]\nservers = [\"http://127.0.0.1:1\"]\n\
             [[routes]]\nupstream = \"orders\"\n{route}\n"
        );
        let environment = [("APP_ENV", "development"), ("IDENTITY_KEY", IDENTITY_KEY)];
        let error = Config::parse(&text, Settings::from_pairs(environment)).unwrap_err().to_string();
        assert!(error.contains(message), "{route}: {error}");
    };
    check("path = \"/x\"", "access");
    check("path = \"/x\"\naccess = \"\"", "line 12");
    check("path = \"/x\"\naccess = \"everyone\"", "line 12");
    check("path = \"/x\"\naccess = { roles = [] }", "role");
    check("path = \"/x\"\naccess = {}", "line 12");
    check("path = \"/x\"\naccess = \"public\"\nacess = \"authenticated\"", "acess");
    check("path = \"/x/../y\"\naccess = \"public\"", "");
    check("path = \"/a b\"\naccess = \"public\"", "");
}
