//! Fairground: community activities as sandboxed WebAssembly plugins. ARCHITECTURE.md says what lives where.

mod activity;
#[doc(hidden)]
pub mod bench;
mod capability;
mod clock;
mod config;
mod demo;
mod domain;
mod effects;
mod host;
mod http;
mod sandbox;
mod state;
mod store;
mod watch;

pub use clock::Clock;
pub use config::{Command, Config, LogFormat, Serve};
pub use host::Host;
