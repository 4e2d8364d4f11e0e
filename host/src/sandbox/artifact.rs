//! Compiled components, kept in a folder by the digest of their bytes and the engine's settings.
//!
//! Loading compiled code runs it, so only files that this installation made are loaded: each carries a MAC under a key that
//! lies beside them, readable by the host alone. A file that does not match is compiled again.

use std::{
    fs,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::domain::id::hex;

use super::{Refused, Sandbox, check};

const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 32;

#[derive(Clone)]
pub(crate) struct Artifacts {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
}

impl Artifacts {
    /// Opens the folder, or makes it with a fresh key.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let key = read_or_make_key(&folder.join("key"))
            .with_context(|| format!("cannot keep a key in {}", folder.display()))?;
        Ok(Self { folder: folder.into(), key })
    }

    /// The compiled component: from the folder where it is, compiled where it is not.
    pub(crate) fn component(&self, sandbox: &Sandbox, bytes: &[u8]) -> Result<Component, Refused> {
        check::header(bytes)?;
        let name = format!("{}-{}", hex(&Sha256::digest(bytes)), compatibility(sandbox));
        if let Some(component) = self.load(sandbox, &name) {
            return Ok(component);
        }
        let compiled = compile(sandbox, bytes)?;
        if let Err(error) = self.keep(&name, &compiled) {
            tracing::warn!(%error, "a compiled plugin could not be kept; it is compiled again after a restart");
        }
        deserialize(sandbox, &compiled).map_err(|error| Refused::NotAComponent(error.to_string()))
    }

    fn load(&self, sandbox: &Sandbox, name: &str) -> Option<Component> {
        let file = fs::read(self.folder.join(name)).ok()?;
        let (tag, compiled) = file.split_at_checked(MAC_BYTES)?;
        let genuine = self.mac(name, compiled).verify_slice(tag).is_ok();
        if !genuine {
            tracing::warn!(name, "a compiled plugin was altered on disk; it is compiled again");
            return None;
        }
        deserialize(sandbox, compiled).ok()
    }

    /// Written beside and moved into place, so that a crash leaves no half file.
    fn keep(&self, name: &str, compiled: &[u8]) -> anyhow::Result<()> {
        let mut file = tempfile_in(&self.folder, name)?;
        file.1.write_all(&self.mac(name, compiled).finalize().into_bytes())?;
        file.1.write_all(compiled)?;
        Ok(fs::rename(file.0, self.folder.join(name))?)
    }

    fn mac(&self, name: &str, compiled: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(name.as_bytes());
        mac.update(compiled);
        mac
    }
}

/// The one place where an upload is compiled, so that it can move into a process of its own.
fn compile(sandbox: &Sandbox, bytes: &[u8]) -> Result<Vec<u8>, Refused> {
    sandbox.engine.precompile_component(bytes).map_err(|error| Refused::NotAComponent(format!("{error:#}")))
}

#[allow(
    unsafe_code,
    reason = "the bytes were made by `compile` in this process, or carry the MAC of this installation"
)]
fn deserialize(sandbox: &Sandbox, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: see the reason above.
    unsafe { Component::deserialize(&sandbox.engine, compiled) }
}

/// Names what compiled code depends on: the engine's version and settings.
fn compatibility(sandbox: &Sandbox) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    sandbox.engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn tempfile_in(folder: &Path, name: &str) -> anyhow::Result<(PathBuf, fs::File)> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let path = folder.join(format!("{name}.{}", hex(&random)));
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok((path, file))
}

fn read_or_make_key(path: &Path) -> anyhow::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let folder = path.parent().context("the key lies in a folder")?;
    let (fresh, mut file) = tempfile_in(folder, "key")?;
    file.write_all(&key)?;
    // A link is made only where no key is: of two hosts that start together, one makes the key and both read it.
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    if let Err(error) = linked
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error.into());
    }
    fs::read(path)?.try_into().map_err(|_| anyhow::anyhow!("{} is no key of this host", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component there is.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn only_file(folder: &Path) -> PathBuf {
        let mut files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path());
        files.find(|path| !path.ends_with("key")).expect("a compiled component")
    }

    #[test]
    fn an_altered_file_is_compiled_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let sandbox = Sandbox::new().expect("an engine");
        let artifacts = Artifacts::open(folder.path()).expect("opens");
        artifacts.component(&sandbox, EMPTY).expect("compiles");
        let file = only_file(folder.path());
        let name = file.file_name().expect("a name").to_str().expect("text").to_owned();
        assert!(Artifacts::open(folder.path()).expect("opens").load(&sandbox, &name).is_some(), "a restart finds it");
        let mut bytes = fs::read(&file).expect("readable");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&file, bytes).expect("writable");
        assert!(artifacts.load(&sandbox, &name).is_none(), "one flipped bit and it is not loaded");
        artifacts.component(&sandbox, EMPTY).expect("compiles again");
        assert!(artifacts.load(&sandbox, &name).is_some());
    }

    #[test]
    fn a_file_of_another_installation_is_not_loaded() {
        let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let sandbox = Sandbox::new().expect("an engine");
        Artifacts::open(there.path()).expect("opens").component(&sandbox, EMPTY).expect("compiles");
        let file = only_file(there.path());
        let name = file.file_name().expect("a name").to_str().expect("text").to_owned();
        let artifacts = Artifacts::open(here.path()).expect("opens");
        fs::copy(&file, here.path().join(&name)).expect("copies");
        assert!(artifacts.load(&sandbox, &name).is_none());
    }

    #[test]
    fn what_is_no_component_is_refused_before_it_is_compiled() {
        for bytes in [&b"\0asm\x01\0\0\0"[..], b"\x7fELF\x02\x01\x01\0", b"(component)", b"", b"\0asm"] {
            assert!(matches!(check::header(bytes), Err(Refused::NotAComponent(_))), "{bytes:?}");
        }
        let large = vec![0; check::COMPONENT_BYTES_MAX + 1];
        assert!(matches!(check::header(&large), Err(Refused::TooLarge)));
    }
}
