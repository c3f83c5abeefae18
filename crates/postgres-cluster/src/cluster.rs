//! A cluster in a folder: made when it is not there, started with the settings of the moment.
//!
//! The folder holds `data`, the superuser's `password`, the server's log and, where its path is short
//! enough, the Unix socket.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::error::{Doing, Error, Result};
use crate::running::Running;
use crate::{leftover, place, secret_file};

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// False for data that may be lost with the machine: tests.
    pub durable: bool,
    /// Further settings, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
}

/// A cluster that is not running.
#[derive(Debug)]
pub struct Cluster {
    binaries: Binaries,
    account: Account,
    folder: PathBuf,
}

impl Cluster {
    /// The cluster of `wanted`, run by one of the `installed` versions: the one that made it, or the first.
    ///
    /// The caller makes sure that nobody else uses the folder at the same time.
    pub fn at(wanted: &Path, installed: &[Binaries]) -> Result<Self> {
        let account = Account::choose()?;
        if let Some(parent) = wanted.parent() {
            // Made now, because a strict umask decides whether the server's user gets through.
            fs::create_dir_all(parent).doing(|| format!("creating {}", parent.display()))?;
        }
        let folder = place::for_account(wanted, account);
        let binaries = match made_by(&folder) {
            None => installed.first().ok_or(Error::NotInstalled)?,
            Some(made_by) => installed
                .iter()
                .find(|binaries| binaries.version() == made_by)
                .ok_or_else(|| Error::OtherVersion { folder: folder.clone(), made_by })?,
        };
        let binaries = binaries.clone();
        Ok(Self { binaries, account, folder })
    }

    /// Where the files are. It differs from what was asked for when root's folder hides it from the
    /// user who runs the server.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The programs that will run it.
    pub const fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// Ends a server that a killed program left running in the folder.
    pub fn end_leftover(&self) -> Result<()> {
        leftover::clear(&self.data())
    }

    /// Ends a server that runs in the cluster of `wanted`, and removes its files, whichever version made it.
    pub fn destroy(wanted: &Path) -> Result<()> {
        let folder = place::for_account(wanted, Account::choose()?);
        leftover::clear(&folder.join("data"))?;
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).doing(|| format!("removing {}", folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// Makes the cluster if need be, starts the server and waits until it takes connections.
    pub fn start(&self, options: &Options) -> Result<Running> {
        self.account.make_folder(&self.folder)?;
        let password = secret_file::read_or_make(&self.folder.join("password"), self.account)?;
        if made_by(&self.folder).is_none() {
            self.init(options)?;
        }
        self.end_leftover()?;
        let log = self.folder.join("postgres.log");
        let child = self.server(options, &log)?.spawn().doing(|| "starting postgres".to_owned())?;
        let running = Running::new(child, options.port, self.data(), log, password, self.psql());
        running.ready()
    }

    fn psql(&self) -> crate::Psql {
        self.binaries.psql()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Made beside its place and moved there when it is whole: an interrupted `initdb` leaves nothing
    /// that looks like a cluster.
    fn init(&self, options: &Options) -> Result<()> {
        let unfinished = self.folder.join("data.new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).doing(|| format!("removing {}", unfinished.display()))?;
        }
        let mut command = self.account.command(self.binaries.program("initdb"), &self.folder);
        command
            .args(["--username=postgres", "--pwfile=password"])
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"])
            .arg(format!("--pgdata={}", unfinished.display()));
        if !options.durable {
            command.arg("--no-sync");
        }
        let output = command.output().doing(|| "running initdb".to_owned())?;
        if !output.status.success() {
            return Err(Error::Program {
                program: "initdb".to_owned(),
                output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        fs::rename(&unfinished, self.data()).doing(|| format!("naming {}", self.data().display()))
    }

    fn server(&self, options: &Options, log: &Path) -> Result<Command> {
        let log_file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(log)
            .doing(|| format!("opening {}", log.display()))?;
        self.account.own(log)?;
        let errors = log_file.try_clone().doing(|| format!("opening {}", log.display()))?;
        let mut command = self.account.command(self.binaries.program("postgres"), &self.folder);
        command.arg("-D").arg(self.data());
        for (name, value) in self.settings(options) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // A group of its own: Ctrl-C at the terminal must reach the database last, not first.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdout(log_file).stderr(errors);
        Ok(command)
    }

    fn settings(&self, options: &Options) -> Vec<(String, String)> {
        let mut settings = vec![
            ("port".to_owned(), options.port.to_string()),
            ("listen_addresses".to_owned(), "127.0.0.1".to_owned()),
            ("unix_socket_directories".to_owned(), self.socket_folder()),
            ("log_line_prefix".to_owned(), "%m [%p] %d ".to_owned()),
        ];
        if !options.durable {
            for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                settings.push((name.to_owned(), "off".to_owned()));
            }
        }
        settings.extend(options.settings.iter().cloned());
        settings
    }

    /// Socket paths end at about 100 bytes on every system; past that the port alone has to do.
    fn socket_folder(&self) -> String {
        const LONGEST: usize = 80;
        let folder = self.folder.to_string_lossy();
        // A comma would start a second folder.
        if folder.len() <= LONGEST && !folder.contains([',', '"']) {
            folder.into_owned()
        } else {
            String::new()
        }
    }
}

/// The major version that made the cluster in `folder`.
fn made_by(folder: &Path) -> Option<u32> {
    let text = fs::read_to_string(folder.join("data/PG_VERSION")).ok()?;
    text.trim().parse().ok()
}
