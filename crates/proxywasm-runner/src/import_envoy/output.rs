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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<ServerTls>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) plugins: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream_tls: Option<ClientTls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connect_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle_timeout: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) routes: Vec<Route>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) virtual_hosts: Vec<VirtualHost>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Certificate {
    pub(super) certificate: String,
    pub(super) key: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ServerTls {
    pub(super) certificates: Vec<Certificate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_certificates: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_ca: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minimum_version: Option<&'static str>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct ClientTls {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_certificate: Option<Certificate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minimum_version: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct VirtualHost {
    pub(super) hosts: Vec<String>,
    pub(super) routes: Vec<Route>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Route {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(rename = "match", skip_serializing_if = "Match::is_empty")]
    pub(super) matches: Match,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) upstream: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) split: Vec<Share>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) redirect: Option<Redirect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) respond: Option<Respond>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rewrite: Option<Rewrite>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<String>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Match {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_regex: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) methods: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) headers: Vec<HeaderMatch>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) query: Vec<QueryMatch>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct HeaderMatch {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exact: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suffix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contains: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) regex: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) invert: bool,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct QueryMatch {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exact: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) regex: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub(super) upstream: String,
    pub(super) weight: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Redirect {
    pub(super) status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scheme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_prefix: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) strip_query: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Respond {
    pub(super) status: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<String>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Rewrite {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Background {
    pub(super) plugin: String,
    pub(super) run: &'static str,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Upstream {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) plugins: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) endpoints: Vec<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<ClientTls>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connect_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_body_timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) balance: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<Hash>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) health_check: Option<HealthCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ejection: Option<Ejection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limits: Option<Limits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retries: Option<Retries>,
}

#[derive(Debug, Serialize)]
pub(super) struct Endpoint {
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weight: Option<u32>,
}

/// What of a request decides where it goes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Hash {
    Header(String),
    Cookie(String),
    Source(bool),
}

#[derive(Debug, Default, Serialize)]
pub(super) struct HealthCheck {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timeout: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unhealthy_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) healthy_after: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Ejection {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failures: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connections: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pending: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Retries {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attempts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_try_timeout: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) statuses: Vec<u16>,
}

/// Code that is not just a file.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(super) struct Code {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oci: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) plain_http: bool,
}

#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(super) struct Plugin {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<Code>,
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

// === impl Match ===

impl Match {
    /// Whether it is for all requests.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
