//! The rules of the house that a compiler does not check. ARCHITECTURE.md gives their reasons.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::bail;

use crate::schemas;

const LINES_MAX: usize = 450;
const FUNCTION_LINES_MAX: usize = 70;

/// Names that say nothing about what is inside.
const NAMELESS: [&str; 9] = ["common", "helper", "helpers", "manager", "misc", "mod", "service", "util", "utils"];

/// A word that may stand only in some places of the host.
const CONFINED: [(&str, &[&str]); 6] = [
    ("sqlx::", &["host/src/store"]),
    ("rusqlite::", &["host/src/store/direct.rs"]),
    ("wasmtime::", &["host/src/sandbox", "host/src/capability"]),
    ("axum::", &["host/src/http"]),
    ("reqwest::", &["host/src/delivery"]),
    ("std::env", &["host/src/config.rs"]),
];

/// What a host function could call its guest back with. wasmtime is built without its own trap for that (`sandbox/engine.rs`).
const WAYS_INTO_A_GUEST: [&str; 4] = ["Accessor", "AsContext", "Instance", "StoreContext"];

/// Which module of the host may not know which.
const DOWNWARD: [(&str, &[&str]); 8] = [
    ("host/src/domain", &["activity", "capability", "delivery", "effects", "http", "sandbox", "state", "store"]),
    ("host/src/effects.rs", &["activity", "capability", "http", "sandbox", "state", "store"]),
    ("host/src/store", &["activity", "capability", "http", "sandbox", "state"]),
    ("host/src/state", &["activity", "capability", "http", "sandbox"]),
    ("host/src/capability", &["activity", "http", "sandbox"]),
    ("host/src/sandbox", &["activity", "delivery", "http"]),
    ("host/src/activity", &["delivery", "http"]),
    ("host/src/delivery", &["http"]),
];

pub(crate) fn check() -> anyhow::Result<()> {
    eprintln!("==> tidy");
    let mut broken = Vec::new();
    for path in rust_files(Path::new("."))? {
        let text = fs::read_to_string(&path)?;
        let name = path.strip_prefix("./").unwrap_or(&path).to_string_lossy().replace('\\', "/");
        check_file(&name, &text, &mut broken);
    }
    for crate_name in ["plugins", "sdk"] {
        check_manifests(Path::new(crate_name), &mut broken)?;
    }
    schemas::check(&mut broken)?;
    if broken.is_empty() {
        return Ok(());
    }
    bail!("the house is not tidy:\n  {}", broken.join("\n  "))
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.') || name == "target" || name == "data");
        if hidden {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn check_file(name: &str, text: &str, broken: &mut Vec<String>) {
    let mut say = |line: usize, what: &str| broken.push(format!("{name}:{line}: {what}"));
    if !text.starts_with("//!") {
        say(1, "a file opens with //! and what is in it");
    }
    let count = text.lines().count();
    if count > LINES_MAX {
        say(count, &format!("{count} lines; look for the second noun"));
    }
    let stem = Path::new(name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if NAMELESS.contains(&stem.as_str()) {
        say(1, "a name that says nothing");
    }
    let mut in_use = false;
    for (number, line) in text.lines().enumerate() {
        in_use = line == "use crate::{" || (in_use && line != "};");
        check_line(name, line, in_use, &mut |what| say(number + 1, what));
    }
    check_functions(text, &mut say);
}

fn check_line(name: &str, line: &str, in_use: bool, say: &mut dyn FnMut(&str)) {
    let code = line.split("//").next().unwrap_or_default();
    if !name.starts_with("host/src") {
        return;
    }
    for (word, places) in CONFINED {
        if contains_path(code, word) && !places.iter().any(|place| name.starts_with(place)) {
            say(&format!("{word} belongs in {}", places.join(", ")));
        }
    }
    if name.starts_with("host/src/capability")
        && let Some(word) = WAYS_INTO_A_GUEST.iter().find(|word| code.contains(*word))
    {
        say(&format!("{word}: a host function holds no way into its guest"));
    }
    for (place, unknown) in DOWNWARD {
        let inside = name.starts_with(place) && !(place == "host/src/state" && name.starts_with("host/src/store"));
        for module in unknown.iter().filter(|_| inside) {
            // A path, or a line of its own in `use crate::{…}`.
            if code.contains(&format!("crate::{module}::")) || (in_use && code.starts_with(&format!("    {module}::")))
            {
                say(&format!("{place} may not know {module}"));
            }
        }
    }
}

/// The path itself, and not the end of a longer one.
fn contains_path(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':' || before == '-')
    })
}

/// A function ends where a brace closes at the depth of its beginning.
fn check_functions(text: &str, say: &mut dyn FnMut(usize, &str)) {
    let mut open: Option<(usize, usize)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let begins = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "async fn ",
            "pub(crate) async fn ",
            "pub(super) async fn ",
        ];
        if open.is_none() && begins.iter().any(|begin| line.trim_start().starts_with(begin)) {
            open = Some((number, indent));
        }
        if let Some((start, depth)) = open
            && indent == depth
            && (line.trim_start().starts_with('}')
                || line.trim_end().ends_with(';')
                || (number == start && line.ends_with('}')))
        {
            if number - start >= FUNCTION_LINES_MAX {
                say(start + 1, &format!("a function of {} lines", number - start + 1));
            }
            open = None;
        }
    }
}

/// Plugins and the SDK never see the host.
fn check_manifests(folder: &Path, broken: &mut Vec<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let manifest = entry?.path().join("Cargo.toml");
        let Ok(text) = fs::read_to_string(&manifest) else { continue };
        if text.lines().any(|line| line.starts_with("fairground ") || line.starts_with("fairground.")) {
            broken.push(format!("{}: plugins and the SDK never see the host", manifest.display()));
        }
    }
    Ok(())
}
