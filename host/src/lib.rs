//! Fairground: community activities as sandboxed WebAssembly plugins. ARCHITECTURE.md says what lives where.

mod activity;
#[doc(hidden)]
pub mod bench;
mod capability;
mod clock;
mod config;
mod delivery;
mod demo;
mod domain;
mod effects;
mod fairness;
mod host;
mod http;
mod sandbox;
mod state;
mod store;
mod verify;
mod watch;

pub use clock::Clock;
pub use config::{Command, Config, Fairness, LogFormat, Serve, Verify};
pub use fairness::{Fair, fairness};
pub use host::Host;
pub use verify::{Verdict, verify};
