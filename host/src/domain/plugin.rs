//! Plugins: a version is a name, a semver and the SHA-256 of its bytes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PluginState {
    /// Checked, compiled and described; waits for its grant.
    Uploaded,
    Enabled,
    Disabled,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Plugin {
    pub name: String,
    pub version: String,
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    pub state: PluginState,
    /// The interfaces that it imports and that need the operator's grant.
    pub capabilities: Vec<String>,
    /// Those granted.
    pub granted: Vec<String>,
    pub manifest: Manifest,
    /// UTC milliseconds.
    pub uploaded_at: i64,
}

/// Topics that only the shop may speak of.
pub(crate) const SHOP_TOPICS: &str = "order.";

/// What a plugin says of itself.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Manifest {
    pub name: String,
    pub version: String,
    pub title: String,
    pub description: String,
    pub config_schema: serde_json::Value,
    pub actions: Vec<ActionSpec>,
    pub queries: Vec<QuerySpec>,
    pub emits: Vec<String>,
    pub listens: Vec<String>,
    pub problem_codes: Vec<String>,
    pub state_version: u32,
}

/// Among what a plugin listens to: all topics of the platform's, and none of the shop's.
const EVERYTHING: &str = "*";

impl Manifest {
    /// Whether it listens to a topic.
    pub(crate) fn hears(&self, topic: &str) -> bool {
        self.listens.iter().any(|heard| heard == topic || (heard == EVERYTHING && !topic.starts_with(SHOP_TOPICS)))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ActionSpec {
    pub name: String,
    pub title: String,
    pub input_schema: serde_json::Value,
    pub output_schema: serde_json::Value,
    pub operator_only: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuerySpec {
    pub name: String,
    pub title: String,
    pub input_schema: serde_json::Value,
    pub output_schema: serde_json::Value,
}
