//! A host in a process of its own: the program that operators run.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
};

use crate::{database::Database, host::OPERATOR_KEY, root};

pub struct Program {
    pub base: String,
    child: Child,
}

impl Program {
    /// Starts it and waits until it listens.
    pub fn start(database: &Database) -> Self {
        Self::start_logging(database, Stdio::inherit())
    }

    /// The same, with a place for its log.
    pub fn start_logging(database: &Database, log: impl Into<Stdio>) -> Self {
        let program = root().join("target/debug/fairground");
        let mut child = Command::new(&program)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--database",
                &database.url,
                "--log",
                "error",
                "--allow-host",
                "127.0.0.1",
            ])
            .arg("--artifacts")
            .arg(root().join("target/test-artifacts"))
            .env("FAIRGROUND_OPERATOR_KEY", OPERATOR_KEY)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask test`", program.display()));
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("listens on ")?.1.to_owned()));
        Self { base: address.expect("it listens"), child }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM; answers how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        self.child.wait().expect("it ends")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
