//! What tests and benches stand on: databases that are thrown away, hosts in this process or their own, and a client.

pub mod client;
pub mod database;
pub mod host;
pub mod program;

use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").into()
}

/// A component that `cargo xtask` has built.
pub fn component(name: &str) -> Vec<u8> {
    let path = root().join("target").join(if name == "mischief" { "test-plugins" } else { "plugins" });
    let path = path.join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask test`", path.display()))
}
