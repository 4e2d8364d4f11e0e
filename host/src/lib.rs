//! Fairground: community activities as sandboxed WebAssembly plugins. ARCHITECTURE.md says what lives where.

mod activity;
mod capability;
mod clock;
mod domain;
mod effects;
mod http;
mod state;
mod sandbox;
mod store;
