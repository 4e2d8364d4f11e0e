//! `cargo xtask new-plugin NAME`: a plugin that builds and passes, to be changed into what is wanted.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::{bail, ensure};

use crate::{guest, process::Run};

const CARGO_TOML: &str = r#"[package]
name = "%NAME%"
description = "What this activity is, in a sentence"
version = "0.1.0"
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lib]
crate-type = ["cdylib", "rlib"]
doctest = false

[dependencies]
fairground-sdk.workspace = true
schemars.workspace = true
serde.workspace = true

[dev-dependencies]
serde_json.workspace = true

[lints]
workspace = true
"#;

const LIB_RS: &str = r#"//! What this activity is, in a sentence.

#[cfg(test)]
mod tests;

use fairground_sdk::{Nothing, limit_reached, prelude::*};

fairground_sdk::config! {
    /// What an organiser sets, beside what all activities have: a title, a zone, who may take part.
    struct Config {
        /// # Waves of a member 每人次數
        /// How often one member may wave. 一人可揮手幾次。
        #[schemars(range(min = 1, max = 1_000), extend("x-unit" = "waves"))]
        waves_per_member: u32,
    }
}

/// What a wave came to.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Waved {
    /// How often this member has waved.
    mine: i64,
    /// How often anybody has.
    all: i64,
}

struct %TYPE%;

impl Activity for %TYPE% {
    type Config = Config;
    const NAME: &'static str = "%NAME%";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const TITLE: &'static str = "%TITLE%";
    const DESCRIPTION: &'static str = "Members wave.";

    fn blueprint() -> Blueprint<Self> {
        Blueprint::new()
            .action("wave", "Wave", |call, _: Nothing| wave(call))
            .query("waves", "How often was waved", |call, _: Nothing| Ok(waves(call)))
            .codes(&["%NAME%.waved-enough"])
    }
}

fairground_sdk::activity!(%TYPE%);

fn wave(call: &mut Call<Config>) -> Answer<Waved> {
    // Eligibility, risk and limits, as the organiser has set them.
    call.take_part(None, "%NAME%.wave")?.at_once()?;
    let most = i64::from(call.config.waves_per_member);
    let mine = format!("waves/{}", call.actor);
    if call.count(&mine, 1, 0, most).is_err() {
        return Err(limit_reached("%NAME%.waved-enough", "You have waved enough."));
    }
    call.count("waves", 1, 0, i64::MAX).expect("nobody waves that often");
    Ok(waves(call))
}

fn waves(call: &Call<Config>) -> Waved {
    Waved { mine: call.counter(&format!("waves/{}", call.actor)), all: call.counter("waves") }
}
"#;

const TESTS_RS: &str = r#"//! The rules played.

use fairground_sdk::town::Town;
use serde_json::{Value, json};

use crate::%TYPE%;

#[test]
fn a_member_waves_only_so_often() {
    let config = json!({"title": "x", "one_line_benefit": "y", "zone": "UTC", "waves_per_member": 1});
    let mut town = Town::<%TYPE%>::new(config).started();
    town.act("ann", "wave", json!({})).expect("a wave");
    let refused = town.act("ann", "wave", json!({})).expect_err("enough");
    assert_eq!(refused.code, "%NAME%.waved-enough");
    town.act("bob", "wave", json!({})).expect("a wave");
    let waves: Value = town.ask("ann", "waves", json!({})).expect("an answer");
    assert_eq!(waves, json!({"mine": 1, "all": 2}));
}
"#;

const TEMPLATE_JSON: &str = r#"{
  "id": "%NAME%",
  "plugin": "%NAME%",
  "config": {
    "title": "%TITLE%",
    "one_line_benefit": "Somebody waves back",
    "zone": "Asia/Shanghai",
    "waves_per_member": 3
  }
}
"#;

const README_MD: &str = r#"# %TITLE%

What it is for, in a paragraph. `template.json` is a ready activity. `schemas.json` is written by `cargo test`.

Then: its states and what leads from one to another, what always holds, and what was decided where nothing else said so.
"#;

pub(crate) fn make(name: &str) -> anyhow::Result<()> {
    let word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let fits =
        name.len() <= 64 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(word);
    ensure!(fits, "a plugin's name is lower-case words with dashes, such as spring-raffle, not {name:?}");
    let folder = Path::new("plugins").join(name);
    if folder.exists() {
        bail!("{} is there already", folder.display());
    }
    fs::create_dir_all(folder.join("src"))?;
    let files = [
        ("Cargo.toml", CARGO_TOML),
        ("src/lib.rs", LIB_RS),
        ("src/tests.rs", TESTS_RS),
        ("template.json", TEMPLATE_JSON),
        ("README.md", README_MD),
    ];
    for (file, text) in files {
        let text = text.replace("%TYPE%", &type_name(name)).replace("%TITLE%", &title(name)).replace("%NAME%", name);
        fs::write(folder.join(file), text)?;
    }
    Run::cargo(["test", "--package", name, "--lib", "--quiet", "schemas_json"])
        .say("writing its schemas.json")
        .run()?;
    println!("{} is ready. Next:", folder.display());
    println!("  cargo test -p {name}        # its rules, natively");
    println!("  cargo xtask plugins {name}  # builds {}/{name}.wasm", guest::PLUGINS);
    println!(
        "  cargo xtask serve           # loads it, and grants what it asks for; docs/operating.md says how to start an activity"
    );
    Ok(())
}

/// What a new developer does first, done once: a new plugin builds, natively and as a component, and passes. It is gone afterwards.
pub(crate) fn try_out() -> anyhow::Result<()> {
    const NAME: &str = "brand-new";
    let lock = fs::read("Cargo.lock")?;
    let test = || Run::cargo(["test", "--package", NAME]).say("a new plugin's tests").run();
    let tried = make(NAME).and_then(|()| test()).and_then(|()| guest::build_plugin(NAME));
    fs::remove_dir_all(Path::new("plugins").join(NAME))?;
    fs::remove_file(Path::new(guest::PLUGINS).join(NAME).with_extension("wasm"))
        .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    fs::write("Cargo.lock", lock)?;
    tried
}

/// `spring-raffle` → `SpringRaffle`.
fn type_name(name: &str) -> String {
    name.split('-').map(capitalised).collect()
}

/// `spring-raffle` → `Spring raffle`.
fn title(name: &str) -> String {
    capitalised(&name.replace('-', " "))
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}
