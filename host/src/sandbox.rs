//! Everything that knows wasmtime's engine: how plugins are checked, compiled, kept and called.

mod artifact;
pub(crate) mod breaker;
pub(crate) mod catalog;
mod check;
mod describe;
mod engine;
pub(crate) mod exports;
pub(crate) mod guest;
pub(crate) mod threads;

pub(crate) use artifact::Artifacts;
pub(crate) use check::{COMPONENT_BYTES_MAX, Refused};
pub(crate) use engine::Sandbox;
