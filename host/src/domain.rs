//! The words of the product as plain data: no I/O, no database, no wasm.

pub(crate) mod activity;
pub(crate) mod calendar;
pub(crate) mod chance;
pub(crate) mod channel;
pub(crate) mod community;
pub(crate) mod coupon;
pub(crate) mod endpoint;
pub(crate) mod event;
pub(crate) mod group;
pub(crate) mod hold;
pub(crate) mod id;
pub(crate) mod journal;
pub(crate) mod json;
pub(crate) mod ledger;
pub(crate) mod member;
pub(crate) mod money;
pub(crate) mod notice;
pub(crate) mod offer;
pub(crate) mod order;
pub(crate) mod plugin;
pub(crate) mod proposal;
pub(crate) mod refusal;
pub(crate) mod rollout;
pub(crate) mod rules;
pub(crate) mod shipment;
pub(crate) mod stock;
