//! Who may depend on what, read from `deny.toml` and `cargo tree`: the part of `cargo deny` that must
//! hold on every machine.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Package names, and for each the names of what it depends on directly.
type Graph = BTreeMap<String, BTreeSet<String>>;

const LINKED: &str = "normal,build";
const LINKED_OR_TESTED_WITH: &str = "normal,build,dev";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What is really built, on any target. (`cargo metadata` also lists optional crates that nobody has asked for.)
fn graph(edges: &str) -> Graph {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["tree", "--workspace", "--locked", "--target=all", "--prefix=depth", "--format= {p}"])
        .args(["--edges", edges])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parse(&String::from_utf8(output.stdout).unwrap())
}

/// Lines such as `2 diesel v2.3.14`: the depth, then the package, whose user is the last one at depth 1.
fn parse(tree: &str) -> Graph {
    let mut graph = Graph::new();
    let mut above: Vec<String> = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let Some(depth) = words.next().and_then(|depth| depth.parse().ok()) else {
            continue;
        };
        let name = words.next().unwrap().to_owned();
        above.truncate(depth);
        if let Some(user) = above.last() {
            graph.entry(user.clone()).or_default().insert(name.clone());
        }
        graph.entry(name.clone()).or_default();
        above.push(name);
    }
    graph
}

/// Everything that `package` links, through whatever is between.
fn reachable(graph: &Graph, package: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut open = vec![package.to_owned()];
    while let Some(next) = open.pop() {
        open.extend(graph[&next].iter().filter(|name| seen.insert((*name).clone())).cloned());
    }
    seen
}

#[test]
fn banned_crates_have_no_users_but_their_wrappers() {
    let rules: toml::Table = std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let graph = graph(LINKED_OR_TESTED_WITH);
    for rule in rules["bans"]["deny"].as_array().unwrap() {
        let banned = rule["crate"].as_str().unwrap();
        let wrappers: Vec<_> =
            rule.get("wrappers").and_then(|list| list.as_array()).into_iter().flatten().collect();
        let is_wrapper = |name: &str| wrappers.iter().any(|wrapper| wrapper.as_str() == Some(name));
        for (user, used) in &graph {
            let offends = used.contains(banned) && user != banned && !is_wrapper(user);
            assert!(!offends, "{user} depends on {banned}; deny.toml says who may");
        }
    }
}

#[test]
fn the_gateway_links_no_database_and_no_axum() {
    let linked = reachable(&graph(LINKED), "gateway");
    for foreign in ["axum", "diesel", "diesel-async", "tokio-postgres", "bcrypt"] {
        assert!(!linked.contains(foreign), "the gateway links {foreign}");
    }
}

#[test]
fn the_contract_crates_know_http_types_only() {
    let graph = graph(LINKED);
    for contract in ["access-token", "identity", "problem"] {
        for foreign in ["axum", "diesel", "hyper", "tokio"] {
            assert!(!reachable(&graph, contract).contains(foreign), "{contract} links {foreign}");
        }
    }
}

#[test]
fn crates_and_services_never_use_a_service() {
    let services = ["auth-service", "business-api", "gateway"];
    for (user, used) in graph(LINKED_OR_TESTED_WITH) {
        for service in services {
            // The system tests are made of all three.
            let offends = used.contains(service) && user != service && user != "system-tests";
            assert!(!offends, "{user} depends on {service}; services meet only over HTTP");
        }
    }
}

#[test]
fn a_tree_becomes_a_graph() {
    let graph = parse("0 a v1 (/a)\n1 b v1\n2 c v1\n1 d v1\n\n0 b v1 (*)\n");
    let used = |name: &str| graph[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!((used("a"), used("b"), used("c")), (vec!["b", "d"], vec!["c"], vec![]));
}
