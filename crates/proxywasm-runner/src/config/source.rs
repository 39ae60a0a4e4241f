//! A configuration file that is read again while a runner serves it, and what of it that can change.

use super::{ConfigFile, Diagnostic, environment};
use crate::code::{CodeSource, FetchSettings, compile_all, read_all};
use crate::log::LogOptions;
use crate::settings::Settings;
use crate::update::{Proposal, Reading, Refusal, Source, known_code};
use proxywasm_host::{Engine, Plugin, Services};
use serde_saphyr::Location;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// A configuration file, as the source of updates.
#[derive(Debug)]
pub struct ConfigSource {
    path: PathBuf,
    /// What the process was started with, of what stays as it is.
    fixed: BTreeMap<&'static str, serde_json::Value>,
    /// A filter for the log that comes before that of the file.
    filter: Option<String>,
    files: Vec<PathBuf>,
}

/// Fields that only count when the process starts. A change of the first of them is refused, for what plugins write would go to a place
/// that is not the one that the file names.
const FIXED: [&str; 7] = ["redis", "stores", "queues", "cache", "node", "drain", "traces"];

// === impl ConfigSource ===

impl ConfigSource {
    /// The file that a runner was started with. `filter` is one for the log that comes before that of the file.
    pub fn new(path: &Path, started_with: &ConfigFile, filter: Option<String>) -> Self {
        Self {
            path: path.to_owned(),
            fixed: started_with.fixed(),
            filter,
            files: files_of(path, started_with),
        }
    }
}

impl Source for ConfigSource {
    fn read(&mut self, served: &Settings, _log: &LogOptions) -> Result<Proposal, Refusal> {
        let config = ConfigFile::read(&self.path)?;
        self.files = files_of(&self.path, &config);
        let mut restart = Vec::new();
        let fixed = config.fixed();
        for field in FIXED {
            if fixed.get(field) == self.fixed.get(field) {
                continue;
            }
            if field == "redis" {
                return Err(Refusal::Other(format!(
                    "{}: `redis` has changed, which needs a restart: state would go to another place than before",
                    self.path.display()
                )));
            }
            restart.push(field.to_owned());
        }
        let settings = config.rebuild(served)?;
        let mut options = config.log_options();
        if let Some(filter) = &self.filter {
            options.filter.clone_from(filter);
        }
        Ok(Proposal {
            settings,

            log: options,
            restart,
            shown: config.shown(),
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }
}

fn files_of(path: &Path, config: &ConfigFile) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    for entry in &config.root.plugins {
        // What is wrong with one is told where it is read.
        if let Ok(source) = entry.source(config.folder())
            && let CodeSource::File(path) = source.source
        {
            files.push(path);
        }
    }
    files
}

// === impl ConfigFile ===

impl ConfigFile {
    /// Whether changes of files are to be noticed.
    pub fn watches(&self) -> bool {
        self.root.updates.watches()
    }

    /// What cannot change at run time, as it is written.
    fn fixed(&self) -> BTreeMap<&'static str, serde_json::Value> {
        let options = serde_saphyr::Options::default().with_properties(environment());
        // It was read once already.
        let all = serde_saphyr::from_str_with_options(&self.text, options);
        let mut all: BTreeMap<String, serde_json::Value> = all.unwrap_or_default();
        let found = FIXED
            .into_iter()
            .filter_map(|field| Some((field, all.remove(field)?)));
        found.collect()
    }

    /// The plugins by name, compiled and started.
    pub(super) fn plugins(
        &self,
        engine: &Engine,
        services: &Services,
        known: Option<&[Plugin]>,
    ) -> Result<HashMap<&str, Plugin>, Diagnostic> {
        let reading = known.map_or_else(Reading::first, |_| Reading::again());
        let known = known.unwrap_or_default();
        let entries = &self.root.plugins;
        let sources = entries.iter().map(|entry| entry.source(self.folder()));
        let sources: Vec<_> = sources
            .collect::<Result<_, _>>()
            .map_err(|(location, message)| self.at(location, message))?;
        let settings = FetchSettings {
            offline: self.offline,
            ..self.root.remote_code.settings(self.folder())
        };
        let (mut configs, mut codes) = (Vec::new(), Vec::new());
        let read = read_all(&sources, &settings);
        for ((entry, source), code) in entries.iter().zip(&sources).zip(read) {
            let config = entry
                .to_config()
                .map_err(|(location, message)| self.at(location, message))?;
            match code {
                Ok(code) => {
                    codes.push((&source.source, code, config.instances));
                    configs.push((entry, config));
                }
                Err(error) if self.offline && error.is_of_offline() => {
                    tracing::warn!(plugin = entry.name.value, "not checked: {error}");
                }
                Err(error) => return Err(self.at(entry.code_location(), error.to_string())),
            }
        }
        let codes = compile_all(engine, codes, &known_code(known)).map_err(|(number, error)| {
            let entry = configs.get(number).map(|(entry, _)| entry);
            let location = entry.map_or(Location::UNKNOWN, |entry| entry.code_location());
            self.at(location, error.to_string())
        })?;
        let mut plugins = HashMap::new();
        for ((entry, config), code) in configs.into_iter().zip(codes) {
            let before = known.iter().find(|plugin| plugin.name() == config.name);
            let plugin = reading
                .plugin(before, engine, code, config, services)
                .map_err(|error| self.at(entry.name.referenced, error.to_string()))?;
            plugins.insert(entry.name.value.as_str(), plugin);
        }
        Ok(plugins)
    }
}
