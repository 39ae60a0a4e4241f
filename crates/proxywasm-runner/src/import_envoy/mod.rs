//! Envoy's bootstrap files as files of ours: `proxywasm import-envoy`.
//!
//! What a file says of Wasm plugins is taken: the HTTP and network filters of static listeners, HTTP filters of clusters, bootstrap extensions; and what is around
//! them: routes, clusters with their servers, health checks and limits, TLS on both sides. All else is named, each with its place in the file, and why where there is more to say
//! than that there is nothing like it here. Files with version 2 of the names are understood too, and structures in the place of typed
//! messages, as control planes write them.

mod any;
mod clusters;
mod durations;
mod listeners;
mod matching;
mod node;
mod output;
mod plugins;
mod routes;
mod traffic;
mod transport;

pub use node::Note;

use any::{Typed, unpack};
use clusters::{Clusters, socket_address};
use node::{Node, Notes};
use output::{Admin, Configuration};
use serde_saphyr::SerializeError;
use thiserror::Error;

/// What became of a file.
#[derive(Debug)]
pub struct Import {
    /// A configuration file, in YAML.
    pub configuration: String,
    /// What is not in it, or not as it was.
    pub notes: Vec<Note>,
}

/// A file cannot be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// It is neither YAML nor JSON.
    #[error("it is neither YAML nor JSON: {0}")]
    Syntax(serde_saphyr::Error),
    /// It is no bootstrap file, or has nothing for us.
    #[error("it has no listener and no Wasm service that could be imported{}", list(.0))]
    Nothing(Vec<Note>),
    /// The result cannot be written.
    #[error("the configuration cannot be written as YAML: {0}")]
    Output(String),
}

/// An import that is under way.
struct Importer {
    notes: Notes,
    clusters: Clusters,
    output: Configuration,
}

/// Imports a bootstrap file.
///
/// # Errors
/// It is no YAML or JSON, or has nothing that could be imported.
pub fn import(text: &str) -> Result<Import, ImportError> {
    let value = serde_saphyr::from_str(text).map_err(ImportError::Syntax)?;
    let mut importer = Importer {
        notes: Notes::default(),
        clusters: Clusters::default(),
        output: Configuration::default(),
    };
    importer.bootstrap(Node::root(value, importer.notes.clone()));
    let Importer {
        notes,
        clusters,
        mut output,
    } = importer;
    let notes = notes.take();
    if output.listeners.is_empty() && output.background.is_empty() {
        return Err(ImportError::Nothing(notes));
    }
    output.upstreams = clusters.into_upstreams();
    Ok(Import {
        configuration: write(&output).map_err(|error| ImportError::Output(error.to_string()))?,
        notes,
    })
}

impl Importer {
    fn bootstrap(&mut self, file: Node) {
        let Some(mut file) = file.fields() else { return };
        if let Some(mut admin) = file.fields("admin")
            && let Some(address) = admin.take("address").and_then(socket_address)
        {
            self.output.admin = Some(Admin { address });
        }
        if let Some(mut resources) = file.fields("static_resources") {
            for cluster in resources.items("clusters") {
                if let Some((name, filters)) = self.clusters.add(cluster) {
                    let plugins = self.http_filters(filters);
                    self.clusters.set_plugins(&name, plugins);
                }
            }
            resources
                .items("listeners")
                .into_iter()
                .for_each(|node| self.listener(node));
        }
        // The second is what version 2 had.
        for extension in file.items("bootstrap_extensions") {
            self.extension(extension);
        }
        if let Some(service) = file.fields("wasm_service") {
            self.service(service);
        }
    }

    fn extension(&mut self, node: Node) {
        let Some(mut extension) = node.fields() else {
            return;
        };
        extension.skip("name");
        let Some(Typed { kind, message }) = extension.take("typed_config").and_then(unpack) else {
            return;
        };
        match kind.ends_with(".WasmService") {
            true => self.service(message),
            false => message
                .into_node()
                .leave_out(format_args!("there is no extension of type `{kind}`")),
        }
    }
}

/// As YAML. Texts that look like environment variables of our files are quoted, which makes them texts, and with them all.
fn write(output: &Configuration) -> Result<String, SerializeError> {
    let plain = serde_saphyr::to_string(output)?;
    match plain.contains("${") {
        true => serde_saphyr::to_string_with_options(output, serde_saphyr::ser_options! { quote_all: true }),
        false => Ok(plain),
    }
}

fn list(notes: &[Note]) -> String {
    notes.iter().map(|note| format!("\n{note}")).collect()
}
