//! The edge: HTTP in, one function called, an answer shaped. One file per resource.

mod activities;
mod budgets;
mod communities;
mod coupons;
mod edge;
mod events;
mod extract;
mod fairness;
mod groups;
mod health;
mod identity;
mod keys;
mod ledger;
mod members;
mod orders;
mod participation;
mod plugins;
mod problem;
mod rewards;
mod router;
mod server;
mod shop;
mod stock;
mod tokens;
mod webhooks;

pub(crate) use health::Health;
pub(crate) use identity::{Identity, secret_hash};
pub(crate) use keys::make_key;
pub(crate) use router::{App, router};
pub(crate) use server::serve;
