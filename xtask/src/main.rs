//! The one door for developers: `cargo xtask serve`, `test`, `bench`, `ci`, and what they need.

mod guest;
mod new_plugin;
mod process;
mod schemas;
mod tidy;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use process::Run;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of the Fairground project")]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Builds everything, and runs a host with a demo community on 127.0.0.1:8080; data is kept under ./data.
    Serve {
        /// Flags of `fairground serve`, such as `--listen 127.0.0.1:9000`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// Builds the plugins of this repository into target/plugins/*.wasm.
    Plugins {
        /// Only this one.
        name: Option<String>,
    },
    /// Runs every test, on SQLite and on PostgreSQL.
    Test {
        /// Also ten thousand sequences in the storm of each plugin, instead of a few hundred.
        #[arg(long)]
        long: bool,
        /// What `cargo test` takes: a filter, `-p bargain`, `-- --nocapture`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<OsString>,
    },
    /// Measures; each result is one line of JSON, a ratio of two things run side by side.
    Bench {
        /// Part of a bench's name: `sandbox-call`, `plugins`, `plugins/vote`, `hot-activity`.
        name: Option<String>,
        /// Nothing but the lines of results.
        #[arg(long)]
        json: bool,
        /// `sqlite` or `postgres`.
        #[arg(long, default_value = "sqlite")]
        database: String,
    },
    /// What a change must pass: format, clippy, tidy, a new plugin, test.
    Ci,
    /// Checks the rules of the house: who may import whom, sizes of files and functions, names.
    Tidy,
    /// Makes plugins/NAME: a plugin that builds and passes.
    NewPlugin { name: String },
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    std::env::set_current_dir(root())?;
    match Xtask::parse().chore {
        Chore::Serve { flags } => serve(&flags),
        Chore::Plugins { name: Some(name) } => guest::build_plugin(&name),
        Chore::Plugins { name: None } => guest::build_plugins(),
        Chore::Test { long, flags } => test(long, &flags),
        Chore::Bench { name, json, database } => bench(name, json, &database),
        Chore::Ci => ci(),
        Chore::Tidy => tidy::check(),
        Chore::NewPlugin { name } => new_plugin::make(&name),
    }
}

/// The repository, wherever the chore was called.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").into()
}

fn serve(flags: &[OsString]) -> anyhow::Result<()> {
    guest::build_plugins()?;
    build()?;
    Run::new("target/debug/fairground")
        .args(["serve", "--demo", "--watch", guest::PLUGINS])
        .args(flags)
        .say("starting the host; Ctrl-C stops it")
        .run()
}

/// Everything at once: a part alone would be built with fewer features of its dependencies, and these again for the rest.
fn build() -> anyhow::Result<()> {
    Run::cargo(["build", "--workspace", "--all-targets"])
        .say("building everything (the first time takes some minutes)")
        .run()
}

fn test(long: bool, flags: &[OsString]) -> anyhow::Result<()> {
    guest::build_plugins()?;
    guest::build_test_guests()?;
    build()?;
    if long {
        storms()?;
    }
    Run::cargo(["test", "--workspace", "--no-fail-fast"]).args(flags).say("running the tests").run()
}

/// The storms of all plugins, each with ten thousand sequences.
fn storms() -> anyhow::Result<()> {
    Run::cargo(["test", "--workspace", "--lib", "storm"])
        .env("PROPTEST_CASES", "10000")
        .say("ten thousand sequences in each storm")
        .run()
}

fn bench(name: Option<String>, json: bool, database: &str) -> anyhow::Result<()> {
    guest::build_plugins()?;
    build()?;
    let quiet = if json { vec!["--json"] } else { Vec::new() };
    Run::new("target/debug/bench").args(["--database", database]).args(quiet).args(name).say("measuring").run()
}

fn ci() -> anyhow::Result<()> {
    Run::cargo(["fmt", "--all", "--check"]).say("format").run()?;
    Run::cargo(["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])
        .say("clippy")
        .run()?;
    tidy::check()?;
    new_plugin::try_out()?;
    test(false, &[])
}
