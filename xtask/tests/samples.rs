//! The samples in `deploy/` stay true: the same routes everywhere, and no setting that nobody reads.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Path, upstream and access of every route: limits may differ, who gets through may not.
fn routes(file: &str) -> Vec<String> {
    let file: toml::Table = read(file).parse().unwrap();
    let routes = file["routes"].as_array().unwrap().iter();
    let mut lines: Vec<_> = routes
        .map(|route| ["path", "upstream", "access"].map(|name| route[name].to_string()).join(" "))
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_gateway_file_lets_the_same_people_through() {
    let expected = routes("deploy/gateway.toml");
    assert!(!expected.is_empty());
    for file in ["deploy/gateway.production.toml", "deploy/kubernetes/gateway.toml"] {
        assert_eq!(routes(file), expected, "{file}");
    }
}

fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(
            |path| if path.is_dir() { sources(&path) } else { fs::read_to_string(&path).unwrap_or_default() },
        )
        .collect()
}

/// The names of a sample, those in comments too.
fn names(sample: &str) -> Vec<&str> {
    let is_name =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || "_".contains(c));
    sample
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .map(|(name, _)| name)
        .filter(is_name)
        .collect()
}

#[test]
fn every_sample_setting_is_read_by_its_process() {
    let shared = sources(&root().join("crates/process/src"));
    for process in ["auth-service", "business-api", "gateway"] {
        let own = sources(&root().join(process).join("src")) + &shared;
        for mode in ["development", "production"] {
            let sample = read(&format!("deploy/settings/{process}.{mode}.env"));
            let file = read("deploy/gateway.production.toml");
            for name in names(&sample) {
                let known = own.contains(&format!("\"{name}\"")) || file.contains(&format!("${{{name}}}"));
                assert!(known, "{process} reads no {name} (deploy/settings/{process}.{mode}.env)");
            }
        }
    }
}

#[test]
fn no_sample_holds_a_secret() {
    let folder = root().join("deploy/settings");
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| line.contains("_KEY") || line.contains("_SECRET")) {
            assert!(line.starts_with("# ") || line.trim_end().ends_with('='), "{line}");
        }
    }
}
