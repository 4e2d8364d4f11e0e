//! What an upload must be before it is kept: a component that imports only what this host offers.

use wasmtime::component::{Component, types::ComponentItem};

use crate::capability::{self, Standing};

use super::Sandbox;

/// Why an upload was refused: nothing was stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Compile bombs grow with their bytes, and a Rust plugin has a few hundred KiB; JavaScript and Python come with 12–18 MB.
    #[error("a component is at most 24 MiB")]
    TooLarge,
    #[error("these bytes are no WebAssembly component: {0}")]
    NotAComponent(String),
    #[error("it imports {0:?}, which this host does not offer")]
    UnknownImport(String),
    #[error("it does not fit the interface fairground:activity@0.1.0: {0}")]
    WrongInterface(String),
    #[error("it cannot describe itself: {0}")]
    CannotDescribe(String),
    #[error("its manifest is not in order: {0}")]
    BadManifest(String),
}

pub(crate) const COMPONENT_BYTES_MAX: usize = 24 << 20;

/// A component in binary form; the header tells it from a core module, and from code that was compiled elsewhere.
pub(super) fn header(bytes: &[u8]) -> Result<(), Refused> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    match bytes.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => Ok(()),
        Some(b"\0asm\x01\0\0\0") => {
            Err(Refused::NotAComponent("it is a core module; wrap it with wit-component".into()))
        }
        _ => Err(Refused::NotAComponent("they do not begin as one does".into())),
    }
}

/// The capabilities that it asks for, by what it imports.
pub(super) fn capabilities(sandbox: &Sandbox, component: &Component) -> Result<Vec<String>, Refused> {
    let mut asked = Vec::new();
    for (name, import) in component.component_type().imports(&sandbox.engine) {
        let unknown = || Refused::UnknownImport(capability_name(name));
        let ComponentItem::ComponentInstance(_) = import.ty else { return Err(unknown()) };
        let (package, rest) = name.split_once('/').ok_or_else(unknown)?;
        let (interface, version) = rest.split_once('@').ok_or_else(unknown)?;
        if package != capability::PACKAGE || !version.starts_with("0.1.") {
            return Err(unknown());
        }
        match capability::standing(interface) {
            Standing::OwnRoom => {}
            Standing::Capability => asked.push(interface.to_owned()),
            Standing::Unknown => return Err(unknown()),
        }
    }
    asked.sort();
    Ok(asked)
}

/// An import's name as it may be shown: it is the uploader's text.
fn capability_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(200).collect()
}
