//! Endpoints: who is told what happens, and with which keys messages are signed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id::Id;

/// What sort of receiver it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointKind {
    /// Hears events and proposals.
    Webhook,
    /// The community's shop: is asked to open, close and pay back orders.
    Shop,
    /// The shop that is built in, to try things.
    DemoShop,
    /// What is told live, to whoever listens just then.
    Stream,
}

/// The id of a community's shop.
pub(crate) const SHOP: &str = "shop";

/// The id of a community's live stream, once somebody has listened to it.
pub(crate) const STREAM: &str = "stream";

/// How messages are signed, by Standard Webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    /// HMAC-SHA-256 with a secret that both sides know.
    V1,
    /// Ed25519 with a key that the host keeps, and a public one.
    V1a,
}

/// A key, as it is kept: for `v1` the secret's bytes, for `v1a` the private key's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SigningKey {
    pub scheme: Scheme,
    pub bytes: Vec<u8>,
    /// An older key signs beside the newest until then; UTC milliseconds.
    pub until: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointState {
    Active,
    /// It said that it is gone, failed for too long, or was switched off. What it has not been told waits.
    Disabled,
}

#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub community: Id,
    pub id: Id,
    pub kind: EndpointKind,
    pub url: String,
    /// `bargain.cut`, or `bargain.*` for everything that begins so; all where there are none.
    pub topics: Vec<String>,
    /// The newest first.
    pub keys: Vec<SigningKey>,
    pub state: EndpointState,
    pub created_at: i64,
}

impl Endpoint {
    /// Whether it wants to hear of a topic.
    pub(crate) fn wants(&self, topic: &str) -> bool {
        let fits = |wanted: &String| match wanted.strip_suffix('*') {
            Some(start) => topic.starts_with(start),
            None => wanted == topic,
        };
        self.topics.is_empty() || self.topics.iter().any(fits)
    }

    /// The keys that are good at `now`.
    pub(crate) fn keys_at(&self, now: i64) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(move |key| key.until.is_none_or(|until| now < until))
    }
}
