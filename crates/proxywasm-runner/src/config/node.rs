//! Who the runner is, in the configuration file.

use crate::node::Node;
use schemars::JsonSchema;
use serde::Deserialize;

/// `node`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeEntry {
    /// The name of this runner, as the property `node.id`. None by default.
    id: Option<String>,
    /// The name of the service that it is part of, as the property `node.cluster`. None by default.
    cluster: Option<String>,
    /// Anything else that plugins are to know, as properties below `node.metadata`. Nothing by default.
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
}

impl NodeEntry {
    pub(super) fn settings(&self) -> Node {
        Node {
            id: self.id.clone(),
            cluster: self.cluster.clone(),
            metadata: self.metadata.clone(),
        }
    }
}
