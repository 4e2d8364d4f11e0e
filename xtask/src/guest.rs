//! Plugins: from a crate to a component.
//!
//! A guest is built for `wasm32-unknown-unknown` and wrapped with wit-component, so it imports what `wit/` offers and nothing
//! else. Where rustup has the target, or can get it, that is all; where it cannot, Debian's `rustc-web` builds `std` for it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use wit_component::ComponentEncoder;

use crate::process::Run;

/// Where the components lie.
pub(crate) const PLUGINS: &str = "target/plugins";

const TEST_GUESTS: [&str; 2] = ["mischief", "molt"];
const TEST_PLUGINS: &str = "target/test-plugins";

const TARGET: &str = "wasm32-unknown-unknown";
const TARGET_DIR: &str = "target/guest";

/// A guest lives for one call: 64 KiB of stack, first in memory, so that an overflow traps and memory stays small.
const LINK_FLAGS: &str = "-C link-arg=-zstack-size=65536 -C link-arg=--stack-first";

/// What makes a module smaller: by a sixth. It comes with Debian's `binaryen`.
const OPTIMIZER: &str = "wasm-opt";

/// What the compiler's output may use (see `sandbox/engine.rs`).
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Debian's own compiler and the sources of its `std`.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

enum Toolchain {
    /// The target's `std` is there.
    Rustup,
    /// `std` is built from Debian's sources, and linked with rustup's `rust-lld`.
    Debian { linker: PathBuf },
}

pub(crate) fn build_plugins() -> anyhow::Result<()> {
    let names = plugins()?;
    let packages: Vec<&str> = names.iter().flat_map(|name| ["--package", name.as_str()]).collect();
    build(&packages, &format!("building the plugins {}", names.join(", ")))?;
    names.iter().try_for_each(|name| encode(name, PLUGINS))
}

pub(crate) fn build_plugin(name: &str) -> anyhow::Result<()> {
    build(&["--package", name], &format!("building the plugin {name}"))?;
    encode(name, PLUGINS)
}

/// The guests that the tests suffer from; they are kept apart from what operators load.
pub(crate) fn build_test_guests() -> anyhow::Result<()> {
    let packages = TEST_GUESTS.map(|name| ["--package", name]).concat();
    build(&packages, "building the tests' guests")?;
    TEST_GUESTS.iter().try_for_each(|name| encode(name, TEST_PLUGINS))
}

/// Every folder of plugins/.
fn plugins() -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("plugins")? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn build(packages: &[&str], purpose: &str) -> anyhow::Result<()> {
    let arguments = ["build", "--profile", "guest", "--target", TARGET, "--target-dir", TARGET_DIR];
    let run = match toolchain()? {
        Toolchain::Rustup => Run::cargo(arguments),
        // Cargo takes the compiler that stands beside it, unless the outer cargo has named its own.
        Toolchain::Debian { linker } => Run::new("/usr/bin/cargo")
            .args(arguments)
            .args(["-Z", "build-std=std,panic_abort"])
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", "/usr/bin/rustc")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
            .without_env("CARGO")
            .without_env("RUSTUP_TOOLCHAIN"),
    };
    run.args(packages).env("RUSTFLAGS", LINK_FLAGS).say(purpose).run()
}

fn toolchain() -> anyhow::Result<Toolchain> {
    let sysroot = PathBuf::from(Run::new("rustc").args(["--print", "sysroot"]).output()?);
    let has_target = || sysroot.join("lib/rustlib").join(TARGET).join("lib").exists();
    if !has_target() {
        eprintln!("==> adding the target {TARGET}");
        // Where that fails, Debian's packages are next.
        let _ = Run::new("rustup").args(["target", "add", TARGET]).run();
    }
    if has_target() {
        return Ok(Toolchain::Rustup);
    }
    eprintln!("==> rustup cannot get it: using Debian's rustc-web, which builds std for it");
    let has_sources = Path::new("/usr/lib/rustlib/src").exists() && Path::new("/usr/bin/cargo").exists();
    if !has_sources && install(&DEBIAN_PACKAGES).is_err() {
        bail!(
            "the target {TARGET} is needed; by hand, one of:\n  rustup target add {TARGET}\n  apt-get install {}",
            DEBIAN_PACKAGES.join(" ")
        );
    }
    let linkers = fs::read_dir(sysroot.join("lib/rustlib"))?;
    let linker = linkers.filter_map(|folder| Some(folder.ok()?.path().join("bin/rust-lld"))).find(|path| path.exists());
    Ok(Toolchain::Debian { linker: linker.context("rustup's toolchain has no rust-lld")? })
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    Run::new("apt-get").args(["update", "--quiet"]).run()?;
    Run::new("apt-get").args(["install", "--yes", "--quiet"]).args(packages).run()
}

/// Makes a module smaller; what has not been built anew is as it was. Where there is no optimizer to be had, the module stays as large.
fn optimize(module: &Path, small: &Path) -> anyhow::Result<()> {
    let changed_at = |file: &Path| fs::metadata(file).and_then(|data| data.modified()).ok();
    if changed_at(small) >= changed_at(module) && changed_at(small).is_some() {
        return Ok(());
    }
    let has_optimizer = || Run::new(OPTIMIZER).args(["--version"]).output().is_ok();
    if !has_optimizer() && install(&["binaryen"]).is_err() {
        eprintln!("==> {OPTIMIZER} is missing (Debian's binaryen): {} stays a sixth larger", module.display());
        fs::copy(module, small)?;
        return Ok(());
    }
    Run::new(OPTIMIZER).args(["-Os"]).args(FEATURES).args(["-o".as_ref(), small.as_os_str(), module.as_os_str()]).run()
}

/// Wraps a core module into a component.
fn encode(name: &str, folder: &str) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let module = Path::new(TARGET_DIR).join(TARGET).join("guest").join(format!("{}.wasm", name.replace('-', "_")));
    let path = Path::new(folder).join(format!("{name}.wasm"));
    let small = module.with_extension("small.wasm");
    optimize(&module, &small)?;
    let module = fs::read(&small).with_context(|| format!("{} was not built", small.display()))?;
    let component = ComponentEncoder::default().validate(true).module(&module)?.encode()?;
    // Left alone where it is the same, so that a watching host sees only what changed.
    if fs::read(&path).ok().as_deref() != Some(&component) {
        fs::write(&path, &component)?;
        eprintln!("    {} ({} KiB)", path.display(), component.len() / 1_024);
    }
    Ok(())
}
