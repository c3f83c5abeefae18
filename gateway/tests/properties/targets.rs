//! For any accepted target every plausible server behind agrees on the route.

use std::sync::LazyLock;

use gateway::pipeline::match_route::Routes;
use proptest::prelude::*;

use crate::checks::{table, target_in};

static TABLE: LazyLock<Routes> = LazyLock::new(table);

#[test]
fn the_property_is_about_something() {
    for accepted in ["/", "/api/x", "/admin", "/public/a%20b", "/api/Orders/1", "/x;y/z", "/%25", "/A/B"] {
        assert!(target_in(&TABLE, accepted), "{accepted}");
    }
    for refused in [
        "/ADMIN",
        "/Api/Admin",
        "/api/orders",
        "/admin;x",
        "/admin%3bx",
        "/admin%3Fx",
        "/admin%253fx",
        "/api/admin%23",
        "/ADMIN;x",
        "/admin%25253fx",
        "/aDmin%3fx",
        "/x/../admin",
    ] {
        assert!(!target_in(&TABLE, refused), "{refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(6_000) })]

    #[test]
    fn every_reader_agrees(
        text in "(/(admin|Admin|ADMIN|api|API|orders|Orders|public|x|%2e|%2E|%25|%2f|%5c|%00|%61|%3b|%3B|%3f|%23|%20|2e|2f|3b|3f|5c|\\.|\\.\\.|;|;a=b|a|%|\\+|%c3%a4|%C5%BF|~|!|){0,4}){1,5}",
    ) {
        target_in(&TABLE, &text);
    }

    #[test]
    fn also_of_any_ascii(text in "/[ -~]{0,30}") {
        target_in(&TABLE, &text);
    }

    #[test]
    fn also_of_any_text(text in any::<String>()) {
        target_in(&TABLE, &text);
    }
}
