//! Running commands: each says what it is for, and how to run it by hand when it fails.

use std::{
    ffi::{OsStr, OsString},
    process::Command,
};

use anyhow::{Context, bail};

pub(crate) struct Run {
    command: Command,
    purpose: Option<String>,
}

impl Run {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self { command: Command::new(program), purpose: None }
    }

    pub(crate) fn cargo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(args)
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable that the outer cargo has set for itself.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Printed before it runs.
    pub(crate) fn say(mut self, purpose: &str) -> Self {
        self.purpose = Some(purpose.into());
        self
    }

    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        if let Some(purpose) = &self.purpose {
            eprintln!("==> {purpose}");
        }
        let by_hand = self.by_hand();
        let status = self.command.status().with_context(|| format!("cannot run: {by_hand}"))?;
        if !status.success() {
            bail!("it failed ({status}); by hand: {by_hand}");
        }
        Ok(())
    }

    /// What it prints.
    pub(crate) fn output(mut self) -> anyhow::Result<String> {
        let by_hand = self.by_hand();
        let output = self.command.output().with_context(|| format!("cannot run: {by_hand}"))?;
        if !output.status.success() {
            bail!("it failed: {by_hand}\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().into())
    }

    fn by_hand(&self) -> String {
        let set = self.command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let set = set.map(|(name, value)| format!("{}={}", name.to_string_lossy(), quoted(value)));
        let words = [self.command.get_program()].into_iter().chain(self.command.get_args()).map(quoted);
        set.chain(words).collect::<Vec<_>>().join(" ")
    }
}

fn quoted(word: &OsStr) -> String {
    let word: OsString = word.into();
    let text = word.to_string_lossy();
    if text.contains([' ', '"', '$', '*', ';']) { format!("'{text}'") } else { text.into() }
}
