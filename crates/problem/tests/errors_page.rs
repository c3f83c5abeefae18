//! `docs/errors.md` is the contract that clients read: it names every code, and no other.

use std::collections::BTreeSet;

#[test]
fn the_page_and_the_list_are_the_same() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md")).unwrap();
    let documented: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .collect();
    let unique: BTreeSet<&str> = documented.iter().copied().collect();
    assert_eq!(unique.len(), documented.len(), "a code stands twice in docs/errors.md");
    assert_eq!(unique, problem::codes::ALL.iter().copied().collect::<BTreeSet<_>>());
}
