//! `cargo xtask …`: run Portcullis on this machine, and test it.
//!
//! Kept free of heavy dependencies, because it is the first thing that a newcomer waits for.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the terminal is this program's interface")]

mod bench;
mod build;
mod e2e;
mod http;
mod interrupt;
mod orphans;
mod packages;
mod scratch;
mod stack;
mod test;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Portcullis on this machine.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run everything: PostgreSQL, the three processes, demo data, and a tour to paste.
    Up(up::Arguments),
    /// Run every test on a PostgreSQL of its own.
    Test(test::Arguments),
    /// Measure Portcullis beside what it is compared with, and print a table.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Run the browser test and the tour against a freshly started Portcullis.
    E2e,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    interrupt::listen();
    let result = match &arguments.command {
        Task::Up(arguments) => up::run(arguments),
        Task::Test(arguments) => test::run(arguments),
        Task::E2e => e2e::run(),
        Task::Bench(bench) => bench::run(bench),
    };
    match result {
        Ok(code) => code,
        // The person who pressed Ctrl-C knows why.
        Err(_) if interrupt::requested() => ExitCode::from(130),
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
