//! Other people's libraries from PyPI, for tests that let somebody else judge our tokens and signatures.

use std::path::PathBuf;
use std::process::Command;

use crate::process::binary_folder;

/// The interpreter of a virtual environment that holds these requirements (`name==version`), made under `target/`
/// when it is not there or not complete. Needs `python3` with `venv`.
///
/// `name` tells the environments of different tests apart; tests that run at once must not share one.
pub fn python_with(name: &str, requirements: &[&str]) -> PathBuf {
    let environment = binary_folder().join("python").join(name);
    let python = environment.join("bin/python");
    let complete = environment.join("complete");
    let wanted = requirements.join("\n");
    if std::fs::read_to_string(&complete).ok().as_ref() != Some(&wanted) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(install).args(requirements));
        std::fs::write(complete, wanted).expect("a mark that the environment is complete");
    }
    python
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
