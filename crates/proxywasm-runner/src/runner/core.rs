//! What a runner shares with those who have it serve something else.

use super::served::{Placed, Served, pair};
use super::work::Order;
use crate::admin::{Inventory, State};
use crate::listen::Inherited;
use crate::log::LogOptions;
use crate::settings::Settings;
use crate::transport::Address;
use crate::update::{
    Age, FailedUpdate, PluginSnapshot, Snapshot, Update, UpdateError, changes_between, needs_restart,
};
use proxywasm_host::{Plugin, PluginStatus};
use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A runner, as others see it that have it serve something else.
pub(crate) struct Core {
    pub(super) served: Mutex<Served>,
    state: Arc<State>,
}

/// How long a worker may take to tell how its plugins are: longer than a callback may take.
const PATIENCE: Duration = Duration::from_secs(2);

// === impl Core ===

impl Core {
    pub(super) fn new(served: Served, state: Arc<State>) -> Self {
        Self {
            served: Mutex::new(served),
            state,
        }
    }

    pub(super) fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is served and logged.
    pub(crate) fn serves(&self) -> (Settings, LogOptions) {
        let served = self.served();
        (served.settings.clone(), served.log.clone())
    }

    /// Serves settings for streams that begin from now on. On an error, everything stays as it was.
    ///
    /// What is the same in both goes on: plugins that are clones of those of before keep their instances, upstreams that are equal what is
    /// known of their servers, listeners of the same address their sockets.
    pub(crate) fn update(&self, mut settings: Settings, log: &LogOptions) -> Result<Update, UpdateError> {
        let mut served = self.served();
        if served.targets.is_empty() {
            return Err(UpdateError::Stopping);
        }
        let restart = needs_restart(&served.settings, &settings);
        adopt(&served, &mut settings)?;
        let changes = changes_between((&served.settings, &served.log), (&settings, log));
        if changes.is_empty() {
            return Ok(Update {
                generation: served.generation,
                changes,
                restart,
            });
        }
        let placed = served.place(&settings.listeners, &mut Inherited::default())?;
        self.apply(&mut served, settings, log, placed)?;
        Ok(Update {
            generation: served.generation,
            changes,
            restart,
        })
    }

    pub(super) fn apply(
        &self,
        served: &mut Served,
        settings: Settings,
        log: &LogOptions,
        placed: Vec<Placed>,
    ) -> Result<(), super::StartError> {
        let generation = served.generation.saturating_add(1);
        let now = SystemTime::now();
        let (before, after) = (served.settings.plugins(), settings.plugins());
        let retired: Vec<Plugin> = match served.generation {
            // It is the first; nothing was served before.
            0 => Vec::new(),
            _ => {
                let gone = before
                    .values()
                    .filter(|plugin| after.get(plugin.name()) != Some(plugin));
                gone.cloned().collect()
            }
        };
        served.apply(settings, placed, retired.clone())?;
        for worker in &served.workers {
            worker.log.set_rate(log.plugin_messages);
        }
        if log.filter != served.log.filter {
            crate::log::set_filter(&log.filter);
        }
        served.log = log.clone();
        served.generation = generation;
        served.since = now;
        self.state.figures.reloads.serves(generation, now);
        let new = Age {
            generation,
            since: now,
        };
        let mut ages = std::mem::take(&mut served.ages);
        for plugin in retired {
            let age = ages.remove(plugin.name()).unwrap_or(new);
            served.retired.push((plugin, age));
        }
        served.ages = after
            .keys()
            .map(|name| (name.clone(), ages.remove(name).unwrap_or(new)))
            .collect();
        let connections: Vec<_> = served
            .listeners
            .iter()
            .map(|listening| Arc::clone(&listening.connections))
            .collect();
        self.state.set_inventory(Inventory::new(
            new,
            &served.settings,
            &served.addresses(),
            &connections,
            &served.upstreams.all,
        ));
        Ok(())
    }

    /// Has the files of certificates read again, in the background.
    pub(crate) fn reload_certificates(&self) {
        if let Some(certificates) = &self.served().certificates {
            certificates.reload();
        }
    }

    /// Shows this configuration to operators; it has no secrets.
    pub(crate) fn show(&self, configuration: serde_json::Value) {
        self.state.set_configuration(configuration);
    }

    /// Tells operators what came of an update.
    pub(crate) fn note(&self, result: Result<&Update, &UpdateError>) {
        let at = SystemTime::now();
        self.state.figures.reloads.note(result, at);
        if let Err(error) = result {
            let reason = error.to_string();
            self.state.set_failed_update(FailedUpdate { at, reason });
        }
    }

    /// What is served, and how plugins are. Asks the workers, and so may take a moment.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut served = self.served();
        let mut plugins: Vec<(Plugin, Age, bool)> = Vec::new();
        for (name, plugin) in served.settings.plugins() {
            let age = served.ages.get(&name).copied();
            let age = age.unwrap_or(Age {
                generation: served.generation,
                since: served.since,
            });
            plugins.push((plugin, age, false));
        }
        let retired = served.retired.iter().cloned();
        plugins.extend(retired.map(|(plugin, age)| (plugin, age, true)));
        let asked: Arc<[Plugin]> = plugins.iter().map(|(plugin, ..)| plugin.clone()).collect();
        let answers: Vec<_> = served
            .workers
            .iter()
            .map(|worker| {
                let (answer, answered) = sync_channel(1);
                let asked = Arc::clone(&asked);
                let look = move |worker: &crate::worker::Worker| {
                    let now = Instant::now();
                    let status = |plugin| worker.ask(|host| host.status(plugin, now));
                    let _nobody_waits = answer.try_send(asked.iter().map(status).collect());
                };
                let _stopped = worker.orders.send(Order::Look(Box::new(look)));
                answered
            })
            .collect();
        let until = Instant::now() + PATIENCE;
        let mut workers = answers.into_iter().map(|answered| {
            let left = until.saturating_duration_since(Instant::now());
            let statuses: Option<Vec<PluginStatus>> = answered.recv_timeout(left).ok();
            statuses
        });
        let mut columns: Vec<Vec<Option<PluginStatus>>> = plugins.iter().map(|_| Vec::new()).collect();
        for statuses in workers.by_ref() {
            for (place, column) in columns.iter_mut().enumerate() {
                let status = statuses.as_ref().and_then(|statuses| statuses.get(place));
                column.push(status.copied());
            }
        }
        let mut snapshots = Vec::new();
        for ((plugin, age, is_retired), workers) in plugins.into_iter().zip(columns) {
            let gone = |status: &Option<PluginStatus>| status.is_some_and(|status| status.instances == 0);
            if is_retired && workers.iter().all(gone) {
                served.retired.retain(|(retired, _)| *retired != plugin);
                continue;
            }
            snapshots.push(PluginSnapshot {
                plugin,
                generation: age.generation,
                since: age.since,
                is_retired,
                workers,
            });
        }
        Snapshot {
            generation: served.generation,
            since: served.since,
            last_failure: self.state.failed_update(),
            plugins: snapshots,
        }
    }
}

/// Takes what is equal from what is served, so that it stays the same.
fn adopt(served: &Served, settings: &mut Settings) -> Result<(), UpdateError> {
    let old = &served.settings;
    let addresses: Vec<Address> = old.listeners.iter().map(|one| one.address.clone()).collect();
    let pairs = pair(&addresses, settings.listeners.iter().map(|one| &one.address));
    for (listener, place) in settings.listeners.iter_mut().zip(pairs) {
        let Some(before) = place.and_then(|place| old.listeners.get(place)) else {
            continue;
        };
        if listener.is_tcp() != before.is_tcp() {
            return Err(UpdateError::Protocol(listener.address.clone()));
        }

        listener.accept = before.accept;
        if listener.name.is_none()
            && let Some(listening) = place.and_then(|place| served.listeners.get(place))
        {
            listener.name = Some(listening.address.to_string());
        }
        if listener.tls == before.tls {
            listener.tls.clone_from(&before.tls);
        }
        if listener.upstream == before.upstream {
            listener.upstream.clone_from(&before.upstream);
        }
    }
    let known: BTreeMap<_, _> = old
        .upstreams
        .iter()
        .map(|upstream| (upstream.name.as_str(), upstream))
        .collect();
    for upstream in &mut settings.upstreams {
        if let Some(same) = known
            .get(upstream.name.as_str())
            .filter(|known| ***known == *upstream)
        {
            upstream.clone_from(same);
        }
    }
    settings.workers = old.workers;
    settings.admin = old.admin;
    Ok(())
}
