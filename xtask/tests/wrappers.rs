//! Who may depend on what, read from `deny.toml` and from cargo itself: the part of `cargo deny` that must
//! hold on every machine.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Package names, and for each the names of what it depends on directly.
type Graph = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn metadata() -> Value {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["metadata", "--format-version=1", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The resolved graph; with `tests`, what only tests use is part of it.
fn graph(metadata: &Value, tests: bool) -> Graph {
    let names: BTreeMap<_, _> = array(&metadata["packages"])
        .map(|package| (text(&package["id"]), text(&package["name"]).to_owned()))
        .collect();
    let edges = |node: &Value| {
        array(&node["deps"])
            .filter(|edge| tests || array(&edge["dep_kinds"]).any(|kind| kind["kind"] != "dev"))
            .map(|edge| names[text(&edge["pkg"])].clone())
            .collect()
    };
    array(&metadata["resolve"]["nodes"]).map(|node| (names[text(&node["id"])].clone(), edges(node))).collect()
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
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
    let graph = graph(&metadata(), true);
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
    let linked = reachable(&graph(&metadata(), false), "gateway");
    for foreign in ["axum", "diesel", "diesel-async", "tokio-postgres", "bcrypt"] {
        assert!(!linked.contains(foreign), "the gateway links {foreign}");
    }
}

#[test]
fn the_contract_crates_know_http_types_only() {
    let graph = graph(&metadata(), false);
    for contract in ["access-token", "identity", "problem"] {
        for foreign in ["axum", "diesel", "hyper", "tokio"] {
            assert!(!reachable(&graph, contract).contains(foreign), "{contract} links {foreign}");
        }
    }
}

#[test]
fn crates_and_services_never_use_a_service() {
    let metadata = metadata();
    let services = ["auth-service", "business-api", "gateway"];
    for (user, used) in graph(&metadata, true) {
        for service in services {
            // The system tests are made of all three.
            let offends = used.contains(service) && user != service && user != "system-tests";
            assert!(!offends, "{user} depends on {service}; services meet only over HTTP");
        }
    }
}
