//! Which module may know which: the `use` lines (and full paths) of every service are read and held to the
//! directions that ARCHITECTURE.md draws.

#![expect(clippy::unwrap_used, reason = "a file that cannot be read is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Files, and what they must not name.
struct Rule {
    because: &'static str,
    /// Files or folders, relative to the workspace.
    within: &'static [&'static str],
    /// Files or folders of those to which the rule does not apply.
    except: &'static [&'static str],
    /// Paths; each stands for itself and everything below.
    never: &'static [&'static str],
}

const DIESEL: [&str; 3] = ["diesel", "diesel_async", "diesel_migrations"];

const RULES: [Rule; 8] = [
    Rule {
        because: "lettre lives in mail",
        within: &["auth-service/src"],
        except: &["auth-service/src/mail"],
        never: &["lettre"],
    },
    Rule {
        because: "rules are pure: they know neither axum nor diesel, nor who calls them",
        within: &[
            "auth-service/src/accounts",
            "auth-service/src/clients",
            "auth-service/src/second_factor",
            "auth-service/src/mail",
            "auth-service/src/revocations",
            "auth-service/src/sessions",
            "auth-service/src/tokens",
            "business-api/src/orders",
        ],
        except: &[],
        never: &[
            "axum",
            "http_api",
            "identity_axum",
            "database",
            "crate::app",
            "crate::config",
            "crate::db",
            "crate::error",
            "crate::http",
            "crate::routes",
        ],
    },
    Rule {
        because: "diesel lives in db",
        within: &["auth-service/src", "business-api/src"],
        except: &["auth-service/src/db", "business-api/src/db"],
        never: &DIESEL,
    },
    Rule {
        because: "axum lives in routes, http and error",
        within: &["auth-service/src", "business-api/src"],
        except: &[
            "auth-service/src/error.rs",
            "auth-service/src/http",
            "auth-service/src/routes.rs",
            "business-api/src/error.rs",
            "business-api/src/http",
            "business-api/src/routes.rs",
        ],
        never: &["axum"],
    },
    Rule {
        because: "db knows the rules' types and nothing above them",
        within: &["auth-service/src/db", "business-api/src/db"],
        except: &[],
        never: &[
            "axum",
            "http_api",
            "identity_axum",
            "crate::app",
            "crate::error",
            "crate::http",
            "crate::routes",
        ],
    },
    Rule {
        because: "http is called by routes, not the reverse",
        within: &["auth-service/src/http", "business-api/src/http"],
        except: &[],
        never: &["crate::routes"],
    },
    Rule {
        because: "the environment is read through config.rs, and there by crates/process",
        within: &["auth-service/src", "business-api/src", "gateway/src", "crates"],
        except: &["crates/process/src/settings.rs", "crates/postgres-cluster", "crates/test-support"],
        never: &["std::env::var", "std::env::var_os", "std::env::vars", "std::env::vars_os"],
    },
    Rule {
        because: "only auth-service/src/tokens mints",
        within: &["auth-service/src", "business-api/src", "gateway/src", "crates"],
        except: &["auth-service/src/tokens"],
        never: &[
            "aws_lc_rs::signature::EcdsaKeyPair",
            "aws_lc_rs::signature::Ed25519KeyPair",
            "aws_lc_rs::signature::RsaKeyPair",
            "jsonwebtoken::EncodingKey",
            "jsonwebtoken::encode",
        ],
    },
];

#[test]
fn modules_keep_their_directions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut offences = Vec::new();
    for rule in &RULES {
        for file in rule.within.iter().flat_map(|folder| sources(&root.join(folder))) {
            if rule.except.iter().any(|except| file.starts_with(root.join(except))) || is_test(&file) {
                continue;
            }
            let named = paths(&fs::read_to_string(&file).unwrap());
            let forbidden = named.iter().filter(|path| rule.never.iter().any(|never| is_below(path, never)));
            let file = file.strip_prefix(root).unwrap().display();
            offences.extend(forbidden.map(|path| format!("{file} names {path}, but {}", rule.because)));
        }
    }
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

fn sources(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return (path.extension().is_some_and(|end| end == "rs"))
            .then(|| path.to_owned())
            .into_iter()
            .collect();
    }
    fs::read_dir(path).unwrap().flat_map(|entry| sources(&entry.unwrap().path())).collect()
}

/// Tests may forge tokens and look behind the curtain.
fn is_test(file: &Path) -> bool {
    file.file_stem().is_some_and(|name| name == "tests")
        || file.components().any(|part| part.as_os_str() == "tests")
}

fn is_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Every path that the code names: `use` trees, taken apart, and `a::b::c` in the text.
fn paths(source: &str) -> BTreeSet<String> {
    let code: String = without_tests(source).lines().map(without_comment).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for statement in code.split(';') {
        if let Some((before, tree)) = statement.rsplit_once("use ")
            && before.trim_end().rsplit(['\n', '}', '{']).next().is_none_or(|line| is_visibility(line.trim()))
        {
            expand("", tree.trim(), &mut found);
        }
    }
    let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    found.extend(
        code.split(|c| !is_path(c))
            .filter(|word| word.contains("::") && !word.ends_with(':'))
            .map(str::to_owned),
    );
    found
}

fn is_visibility(text: &str) -> bool {
    text.is_empty() || text.starts_with("pub") || text.starts_with("#[")
}

/// The tests of a file stand at its end.
fn without_tests(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or(source)
}

fn without_comment(line: &str) -> &str {
    let is_comment = line.trim_start().starts_with("//");
    if is_comment { "" } else { line.split(" // ").next().unwrap_or(line) }
}

/// `a::{b, c::{d, self}}` is `a::b`, `a::c::d` and `a::c`.
fn expand(prefix: &str, tree: &str, found: &mut BTreeSet<String>) {
    let tree = tree.trim();
    match tree.split_once('{') {
        None => {
            let name = tree.split(" as ").next().unwrap_or(tree).trim();
            let path = format!("{prefix}{name}");
            found.insert(path.strip_suffix("::self").unwrap_or(&path).to_owned());
        }
        Some((head, rest)) => {
            let inner = rest.strip_suffix('}').unwrap_or(rest);
            for branch in branches(inner) {
                expand(&format!("{prefix}{}", head.trim()), branch, found);
            }
        }
    }
}

/// The parts between commas that stand in no inner braces.
fn branches(text: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let split = text.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    split.filter(|branch| !branch.trim().is_empty()).collect()
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let check = |source: &str, expected: &[&str]| {
        assert_eq!(paths(source).iter().map(String::as_str).collect::<Vec<_>>(), expected, "{source}");
    };
    check("use a::b;", &["a::b"]);
    check("pub(crate) use a::{b, c::{d, self as e}};", &["a::b", "a::c", "a::c::d"]);
    check("fn f() { let x = diesel::select(1); }", &["diesel::select"]);
    check("//! axum::Router is named in prose\n/// and diesel::x", &[]);
    check("let y = 1; // axum::x\nuse z;", &["z"]);
    check("fn f() {}\n#[cfg(test)]\nmod tests {\n use axum::x;\n}", &[]);
}
