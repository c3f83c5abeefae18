//! The gateway's file: the sample of `deploy/`, on this machine's ports and reachable from this machine only.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::ports::Ports;
use crate::workspace;

/// The frontend of the sample.
pub(crate) const SAMPLE_FRONTEND: &str = "http://localhost:3000";

/// Writes the file to `folder`, for pages of `frontend`.
pub(crate) fn write(ports: Ports, frontend: &str, folder: &Path) -> Result<PathBuf> {
    let sample = workspace::root().join("deploy/gateway.toml");
    let text = fs::read_to_string(&sample).with_context(|| format!("reading {}", sample.display()))?;
    let path = folder.join("gateway.toml");
    let heading = "# Made by `cargo xtask` from deploy/gateway.toml; changes here are lost.\n";
    let text = adapt(&text, ports, frontend);
    fs::write(&path, format!("{heading}{text}")).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// One pass, so that a new port that equals another's old one is not moved again.
fn adapt(sample: &str, ports: Ports, frontend: &str) -> String {
    let changes = [
        (SAMPLE_FRONTEND, frontend.to_owned()),
        ("0.0.0.0:8080", format!("127.0.0.1:{}", ports.gateway)),
        (":8080", format!(":{}", ports.gateway)),
        (":8081", format!(":{}", ports.auth())),
        (":8082", format!(":{}", ports.orders())),
        (":9080", format!(":{}", Ports::admin(ports.gateway))),
    ];
    let mut adapted = String::new();
    let mut rest = sample;
    while let Some(next) = rest.chars().next() {
        if let Some((old, new)) = changes.iter().find(|(old, _)| rest.starts_with(old)) {
            adapted.push_str(new);
            rest = &rest[old.len()..];
        } else {
            adapted.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    adapted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_moved_once() {
        let sample =
            "listen = \"0.0.0.0:8080\"\norigins = [\"http://localhost:3000\"]\na = \":8081 :8082 :9080\"";
        assert_eq!(
            adapt(sample, Ports { gateway: 8081 }, "http://localhost:5000"),
            "listen = \"127.0.0.1:8081\"\norigins = [\"http://localhost:5000\"]\na = \":8082 :8083 :9081\""
        );
    }
}
