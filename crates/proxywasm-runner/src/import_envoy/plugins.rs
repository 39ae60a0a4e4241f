//! `PluginConfig`, and the code that it names.

use super::Importer;
use super::any::configuration;
use super::clusters::duration;
use super::node::{Fields, Node};
use super::output::{Background, Code, Plugin};
use std::collections::BTreeSet;

impl Importer {
    /// The plugin of a `Wasm` filter: its name in chains.
    pub(super) fn plugin_of(&mut self, mut filter: Fields) -> Option<String> {
        match filter.fields("config") {
            Some(config) => self.plugin(config),
            None => {
                filter.note("it has no `config`, so there is no plugin");
                None
            }
        }
    }

    /// A `WasmService`, which runs without streams.
    pub(super) fn service(&mut self, mut service: Fields) {
        let singleton = service.flag("singleton").unwrap_or(false);
        let Some(plugin) = self.plugin_of(service) else {
            return;
        };
        if self.output.background.iter().any(|other| other.plugin == plugin) {
            return;
        }
        self.output.background.push(Background {
            plugin,
            run: if singleton { "per_process" } else { "per_worker" },
        });
    }

    fn plugin(&mut self, mut fields: Fields) -> Option<String> {
        let mut plugin = Plugin {
            name: fields.text("name").unwrap_or_default(),
            root_id: fields.text("root_id").unwrap_or_default(),
            ..Plugin::default()
        };
        if let Some(node) = fields.take("configuration") {
            let read = configuration(node);
            (plugin.configuration, plugin.configuration_base64) = (read.value, read.base64);
        }
        failure(&mut fields, &mut plugin);
        if fields.flag("allow_on_headers_stop_iteration") == Some(true) {
            plugin.headers_pause = Some("hold_headers");
        }
        if let Some(mut restriction) = fields.fields("capability_restriction_config")
            && let Some(allowed) = restriction.take("allowed_capabilities")
        {
            capabilities(allowed, &mut plugin);
        }
        let Some(vm) = fields.fields("vm_config") else {
            fields.note("it has no `vm_config`, so there is no code, and the plugin is left out");
            return None;
        };
        self.vm(vm, &mut plugin)?;
        Some(self.add(plugin, &fields))
    }

    fn vm(&mut self, mut vm: Fields, plugin: &mut Plugin) -> Option<()> {
        plugin.vm_id = vm.text("vm_id").unwrap_or_default();
        if let Some(runtime) = vm.take("runtime") {
            match runtime.value().as_str() {
                Some("envoy.wasm.runtime.null") => {
                    runtime.leave_out("such a plugin is compiled into Envoy");
                    vm.note("the plugin is left out: its code is in no file");
                    return None;
                }
                // Wasm is Wasm.
                _ => runtime.used(),
            }
        }
        if let Some(node) = vm.take("configuration") {
            let read = configuration(node);
            (plugin.vm_configuration, plugin.vm_configuration_base64) = (read.value, read.base64);
        }
        if let Some(mut environment) = vm.fields("environment_variables") {
            let from = environment.items("host_env_keys").into_iter();
            plugin.environment_from = from.filter_map(Node::text).collect();
            if let Some(values) = environment.take("key_values") {
                let entries = values.entries().into_iter();
                plugin.environment = entries
                    .filter_map(|(name, value)| Some((name, value.text()?)))
                    .collect();
            }
        }
        let Some(mut code) = vm.fields("code") else {
            vm.note("it has no `code`, so the plugin is left out");
            return None;
        };
        if let Some(remote) = code.fields("remote") {
            plugin.code = remote_code(remote);
            return plugin.code.is_some().then_some(());
        }
        plugin.file = Some(file(code, &plugin.name)?);
        Some(())
    }

    /// The name under which a plugin is listed; one that is listed already is taken as it is.
    fn add(&mut self, mut plugin: Plugin, fields: &Fields) -> String {
        let wanted = match plugin.name.is_empty() {
            true => "plugin".to_owned(),
            false => plugin.name.clone(),
        };
        for number in 1.. {
            plugin.name = match number {
                1 => wanted.clone(),
                number => format!("{wanted}-{number}"),
            };
            match self.output.plugins.iter().find(|other| other.name == plugin.name) {
                Some(other) if *other == plugin => break,
                Some(_) => {}
                None => {
                    if number > 1 {
                        fields.note(format!(
                            "another plugin is called `{wanted}`, so this one is called `{}`, also in its property `plugin_name`",
                            plugin.name
                        ));
                    }
                    self.output.plugins.push(plugin.clone());
                    break;
                }
            }
        }
        plugin.name
    }
}

fn failure(fields: &mut Fields, plugin: &mut Plugin) {
    if fields.flag("fail_open") == Some(true) {
        plugin.failure = Some("open");
    }
    if let Some(policy) = fields.take("failure_policy") {
        plugin.failure = match policy.value().as_str() {
            Some("FAIL_OPEN") => Some("open"),
            Some("FAIL_RELOAD") => Some("reload"),
            // Closed is the default.
            Some("FAIL_CLOSED" | "UNSPECIFIED") => plugin.failure,
            _ => return policy.leave_out("there is no such policy"),
        };
        policy.used();
    }
    if let Some(mut reload) = fields.fields("reload_config")
        && let Some(mut back_off) = reload.fields("backoff")
    {
        plugin.reload_back_off = duration(&mut back_off, "base_interval");
    }
}

/// Imports and exports are in one map; an empty one restricts nothing.
fn capabilities(node: Node, plugin: &mut Plugin) {
    let entries = node.entries();
    if entries.is_empty() {
        return;
    }
    let (mut hostcalls, mut callbacks) = (BTreeSet::new(), BTreeSet::new());
    for (name, value) in entries {
        // No capability has anything to set, so far.
        match value.value().as_object().is_none_or(serde_json::Map::is_empty) {
            true => value.used(),
            false => drop(value),
        }
        match name.starts_with("proxy_on_") {
            true => callbacks.insert(name),
            false => hostcalls.insert(name),
        };
    }
    (plugin.allowed_hostcalls, plugin.allowed_callbacks) = (Some(hostcalls), Some(callbacks));
}

/// The file with the code, as well as it can be told.
fn file(mut code: Fields, plugin: &str) -> Option<String> {
    let own = || format!("{}.wasm", if plugin.is_empty() { "plugin" } else { plugin });
    if let Some(mut local) = code.fields("local") {
        if let Some(file) = local.text("filename") {
            return Some(file);
        }
        for (field, what) in [
            ("inline_bytes", "decode these bytes from Base64"),
            ("inline_string", "write this text"),
            (
                "environment_variable",
                "write what is in this environment variable",
            ),
        ] {
            if let Some(node) = local.take(field) {
                let file = own();
                node.leave_out(format_args!("plugins come from files; {what} into `{file}`"));
                return Some(file);
            }
        }
    }
    code.note("it names no code, so the plugin is left out");
    None
}

/// Code at a URL, or in a registry. By which cluster Envoy gets there does not matter.
fn remote_code(mut remote: Fields) -> Option<Code> {
    let mut place = remote.fields("http_uri")?;
    place.skip("cluster");
    let uri = place.text("uri")?;
    let sha256 = remote.text("sha256").filter(|digest| !digest.is_empty());
    if let Some(image) = uri.strip_prefix("oci://") {
        if sha256.is_some() {
            remote.note("`sha256` is of the module in the image here, not of the image; give the image its digest as `@sha256:`");
        }
        return Some(Code {
            oci: Some(image.to_owned()),
            ..Code::default()
        });
    }
    let plain_http = !uri.starts_with("https://");
    Some(Code {
        url: Some(uri),
        sha256,
        plain_http,
        ..Code::default()
    })
}
