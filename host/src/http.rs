//! The edge: HTTP in, one function called, an answer shaped. One file per resource.

mod activities;
mod budgets;
mod communities;
mod edge;
mod extract;
mod groups;
mod health;
mod identity;
mod keys;
mod members;
mod participation;
mod plugins;
mod problem;
mod rewards;
mod router;
mod server;
mod tokens;

pub(crate) use health::Health;
pub(crate) use identity::{Identity, secret_hash};
pub(crate) use keys::make_key;
pub(crate) use router::{App, router};
pub(crate) use server::serve;
