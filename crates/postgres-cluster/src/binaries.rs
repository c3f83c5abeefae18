//! Where PostgreSQL's programs are: the path, the Debian and Red Hat folders, Homebrew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::psql::Psql;

/// `xid8` and `DROP DATABASE … WITH (FORCE)` need 13; 13 itself is out of support.
const OLDEST: u32 = 14;

/// One installed version's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
    version: u32,
}

impl Binaries {
    /// The programs in `folder`, if it has a server that is new enough.
    fn in_folder(folder: &Path) -> Option<Self> {
        let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
        let version = major_version(&String::from_utf8_lossy(&output.stdout))?;
        let complete = folder.join("initdb").exists() && folder.join("psql").exists();
        (complete && version >= OLDEST).then(|| Self { folder: folder.to_owned(), version })
    }

    /// The major version, such as 16.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The path of one program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The client that belongs to this server.
    pub fn psql(&self) -> Psql {
        Psql::new(self.program("psql"))
    }
}

/// Every usable installation, the one to prefer first: what the path says, else the newest.
pub fn find() -> Vec<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    let mut elsewhere: Vec<_> =
        other_folders().iter().filter_map(|folder| Binaries::in_folder(folder)).collect();
    elsewhere.sort_by_key(|binaries| std::cmp::Reverse(binaries.version));
    let on_path = path_folders().into_iter().filter_map(|folder| Binaries::in_folder(&folder));
    for binaries in on_path.chain(elsewhere) {
        if !found.contains(&binaries) {
            found.push(binaries);
        }
    }
    found
}

/// A `psql`, also where no server is installed.
pub fn find_psql() -> Option<Psql> {
    let installed = find().into_iter().next().map(|binaries| binaries.program("psql"));
    installed.or_else(|| search_path().find(|path| path.exists())).map(Psql::new)
}

fn search_path() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.into_iter().map(|folder| folder.join("psql"))
}

/// The real folders behind the servers on the path: distributions link single programs into
/// `/usr/local/bin`, and `initdb` needs all of them side by side.
fn path_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter_map(|folder| fs::canonicalize(folder.join("postgres")).ok())
        .filter_map(|server| server.parent().map(Path::to_owned))
        .collect()
}

fn other_folders() -> Vec<PathBuf> {
    const PLACES: [(&str, &str); 5] = [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql"),
    ];
    PLACES
        .iter()
        .flat_map(|(parent, prefix)| children(Path::new(parent), prefix))
        .map(|folder| folder.join("bin"))
        .collect()
}

fn children(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect()
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` is 15; so are `15beta1` and `15devel`.
fn major_version(text: &str) -> Option<u32> {
    let number = text.split(' ').nth(2)?;
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        let check = |text, expected| assert_eq!(major_version(text), expected);
        check("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15));
        check("postgres (PostgreSQL) 18beta1", Some(18));
        check("postgres (PostgreSQL) 17\n", Some(17));
        check("sh: not found", None);
    }
}
