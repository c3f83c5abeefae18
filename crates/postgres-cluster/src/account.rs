//! Who runs the server: the person at the keyboard, or, for root, a user that is there already.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Doing, Error, Result};

/// `postgres` comes with the packages; `nobody` is everywhere. No user is created.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The user that PostgreSQL's programs run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// The calling user.
    Caller,
    /// Another one, because the caller is root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// The account for the calling user.
    pub(crate) fn choose() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Caller);
        }
        let users = fs::read_to_string("/etc/passwd").doing(|| "reading /etc/passwd".to_owned())?;
        CANDIDATES.iter().find_map(|name| look_up(&users, name)).ok_or(Error::NoAccount)
    }

    /// A command that will run as this user, without the caller's environment: `PGPORT`, `PGDATA`
    /// and the like must not decide where a private cluster lives.
    pub(crate) fn command(self, program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C")
            .current_dir(folder)
            .stdin(Stdio::null());
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Creates a folder that only this user (and root) can read.
    pub(crate) fn make_folder(self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).doing(|| format!("creating {}", folder.display()))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .doing(|| format!("closing {}", folder.display()))?;
        self.own(folder)
    }

    /// Gives a file or folder to this user.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Caller => Ok(()),
            Self::Other { uid, gid } => {
                chown(path, Some(uid), Some(gid)).doing(|| format!("giving {} to user {uid}", path.display()))
            }
        }
    }

    /// Whether this user gets through every folder above `path`. Root's own folder, for one, stops others.
    pub(crate) fn reaches(self, path: &Path) -> bool {
        let Self::Other { uid, gid } = self else {
            return true;
        };
        path.ancestors().skip(1).all(|folder| {
            // An ancestor that is not there yet will be made open by whoever makes it.
            fs::metadata(folder).map_or(true, |meta| {
                let class = match () {
                    () if meta.uid() == uid => 0o100,
                    () if meta.gid() == gid => 0o010,
                    () => 0o001,
                };
                meta.mode() & class != 0
            })
        })
    }
}

fn look_up(users: &str, name: &str) -> Option<Account> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account::Other { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "postgresql:x:7:7::/:/bin/sh\npostgres:x:101:104:PostgreSQL,,,:/var/lib:/bin/bash\n";
        assert_eq!(look_up(users, "postgres"), Some(Account::Other { uid: 101, gid: 104 }));
        assert_eq!(look_up(users, "nobody"), None);
    }

    #[test]
    fn a_closed_folder_above_stops_another_user() {
        let folder = std::env::temp_dir().join(format!("reach-{}", std::process::id()));
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account::Other { uid: 4_000_000, gid: 4_000_000 };
        assert!(!stranger.reaches(&folder.join("inner")));
        assert!(Account::Caller.reaches(&folder.join("inner")));
        fs::remove_dir_all(&folder).unwrap();
    }
}
