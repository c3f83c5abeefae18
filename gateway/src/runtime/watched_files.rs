//! Noticing that files have changed, by looking at them now and then.
//!
//! Looking works everywhere: with editors that replace a file, with Kubernetes, which turns a link around, and on
//! network file systems, none of which inotify sees alike. What a file holds is not its business.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks. A change counts once it has stayed the same for one look more, so that nobody reads a file
/// that is half written, or a certificate without its key.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one state of a file from another; none if there is no such file.
type Stamp = Option<[i128; 5]>;

/// The files, and how they were when they were read.
#[derive(Debug)]
pub(super) struct WatchedFiles {
    paths: Vec<PathBuf>,
    known: Vec<Stamp>,
    /// At the last look.
    seen: Vec<Stamp>,
}

impl WatchedFiles {
    /// Files that are about to be read, or have been.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let known = stamps(&paths);
        Self { paths, seen: known.clone(), known }
    }

    /// Resolves when they have changed since they were last looked at, and rest.
    pub(super) async fn changed(&mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if self.rest_changed(stamps(&self.paths)) {
                return;
            }
        }
    }

    fn rest_changed(&mut self, now: Vec<Stamp>) -> bool {
        let rest = now == self.seen;
        self.seen = now;
        rest && self.seen != self.known
    }

    /// They are read now, whatever made somebody read them.
    pub(super) fn look(&mut self) {
        self.known = stamps(&self.paths);
    }

    /// Other files from now on. Those that were watched before are not looked at again for it.
    pub(super) fn watch(&mut self, paths: Vec<PathBuf>) {
        let known = |path: &PathBuf| {
            let index = self.paths.iter().position(|known| known == path);
            index.map_or_else(|| stamp(path), |index| self.known[index])
        };
        self.known = paths.iter().map(known).collect();
        self.seen.clone_from(&self.known);
        self.paths = paths;
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    paths.iter().map(stamp).collect()
}

/// Follows links, so that another file in its place is seen too.
fn stamp(path: &PathBuf) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let changed = time(file.ctime(), file.ctime_nsec());
    let modified = time(file.mtime(), file.mtime_nsec());
    Some([file.dev().into(), file.ino().into(), file.len().into(), modified, changed])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_way_to_change_a_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("one")).unwrap();
        std::fs::create_dir_all(at("two")).unwrap();
        std::fs::write(at("one/file"), "1").unwrap();
        std::fs::write(at("two/file"), "1").unwrap();
        symlink("one", at("data")).unwrap();
        let path = at("data/file");
        let mut last = stamp(&path);
        assert_eq!(stamp(&path), last);
        let mut differs = |how: &str| {
            let now = stamp(&path);
            assert_ne!(now, last, "{how}");
            last = now;
        };
        std::fs::write(at("one/file"), "22").unwrap();
        differs("written in place");
        std::fs::write(at("one/new"), "33").unwrap();
        std::fs::rename(at("one/new"), at("one/file")).unwrap();
        differs("replaced");
        // As Kubernetes does it.
        symlink("two", at("new")).unwrap();
        std::fs::rename(at("new"), at("data")).unwrap();
        differs("a link turned around");
        std::fs::remove_file(at("two/file")).unwrap();
        differs("removed");
        assert_eq!(last, None);
    }

    #[test]
    fn a_change_counts_when_it_rests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut files = WatchedFiles::new(vec![path.clone()]);
        let look = |files: &mut WatchedFiles, text: &str| {
            std::fs::write(&path, text).unwrap();
            let now = stamps(&files.paths);
            (files.rest_changed(now.clone()), files.rest_changed(now))
        };
        assert_eq!(look(&mut files, "half"), (false, true));
        files.look();
        let now = stamps(&files.paths);
        assert!(!files.rest_changed(now), "it was read");
        assert_eq!(look(&mut files, "whole"), (false, true));
    }
}
