//! What an import makes: our configuration file, as far as imports fill it.

use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Configuration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admin: Option<Admin>,
    pub(super) listeners: Vec<Listener>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) background: Vec<Background>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) upstreams: Vec<Upstream>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) plugins: Vec<Plugin>,
}

#[derive(Debug, Serialize)]
pub(super) struct Admin {
    pub(super) address: String,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Listener {
    pub(super) address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) plugins: Vec<String>,
    pub(super) upstream: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connect_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle_timeout: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Background {
    pub(super) plugin: String,
    pub(super) run: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connect_timeout: Option<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(super) struct Plugin {
    pub(super) name: String,
    pub(super) file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) configuration: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) configuration_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vm_configuration: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) vm_configuration_base64: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) root_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) vm_id: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) environment_from: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allowed_hostcalls: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allowed_callbacks: Option<BTreeSet<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reload_back_off: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers_pause: Option<&'static str>,
}
