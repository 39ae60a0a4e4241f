//! What is different between two versions of the settings.

use crate::log::LogOptions;
use crate::settings::{ListenerSettings, Settings};
use std::collections::BTreeMap;
use std::fmt;

/// Something that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of thing.
    pub subject: Subject,
    /// Its name, or address.
    pub name: String,
    /// How it has.
    pub what: What,
}

/// A kind of thing that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A plugin.
    Plugin,
    /// An upstream, with its chain.
    Upstream,
    /// A listener, with its routes and chains.
    Listener,
    /// The plugins that run in the background.
    Background,
    /// What is logged.
    Log,
}

/// How something has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// The code of a plugin.
    Code,
    /// Its settings.
    Settings,
}

/// What has changed from the settings that are served to others, whose equal parts were taken over from these.
pub(crate) fn changes_between(
    (old, old_log): (&Settings, &LogOptions),
    (new, new_log): (&Settings, &LogOptions),
) -> Vec<Change> {
    let mut changes = Vec::new();
    let plugins = [old.plugins(), new.plugins()];
    compare(Subject::Plugin, &plugins, &mut changes, |before, after| {
        if before == after {
            None
        } else if before.code().hash() != after.code().hash() {
            Some(What::Code)
        } else {
            Some(What::Settings)
        }
    });
    let upstreams = [old, new].map(|settings| {
        let named = settings.upstreams.iter();
        named.map(|upstream| (upstream.name.clone(), upstream)).collect()
    });
    compare(Subject::Upstream, &upstreams, &mut changes, |before, after| {
        (before != after).then_some(What::Settings)
    });
    let listeners = [old, new].map(|settings| by_address(&settings.listeners));
    compare(Subject::Listener, &listeners, &mut changes, |before, after| {
        (before != after).then_some(What::Settings)
    });
    for (subject, has_changed) in [
        (
            Subject::Background,
            old.background != new.background || old.old_streams != new.old_streams,
        ),
        (Subject::Log, old_log != new_log),
    ] {
        if has_changed {
            changes.push(Change {
                subject,
                name: String::new(),
                what: What::Settings,
            });
        }
    }
    changes
}

/// What takes a restart, of the settings themselves.
pub(crate) fn needs_restart(old: &Settings, new: &Settings) -> Vec<String> {
    let mut fields = Vec::new();
    if old.workers != new.workers {
        fields.push("workers".to_owned());
    }
    if old.admin != new.admin {
        fields.push("admin".to_owned());
    }
    let old: BTreeMap<_, _> = by_address(&old.listeners);
    for (address, listener) in by_address(&new.listeners) {
        if old.get(&address).is_some_and(|old| old.accept != listener.accept) {
            fields.push(format!("accept of {address}"));
        }
    }
    fields
}

/// Several may have the same address, if it lets the system choose the port.
fn by_address(listeners: &[ListenerSettings]) -> BTreeMap<String, &ListenerSettings> {
    let mut named = BTreeMap::new();
    for listener in listeners {
        let address = listener.address.to_string();
        let mut name = address.clone();
        let mut number = 1;
        while named.contains_key(&name) {
            number += 1;
            name = format!("{address} (number {number})");
        }
        named.insert(name, listener);
    }
    named
}

fn compare<T>(
    subject: Subject,
    [old, new]: &[BTreeMap<String, T>; 2],
    changes: &mut Vec<Change>,
    difference: impl Fn(&T, &T) -> Option<What>,
) {
    let mut note = |name: &String, what| {
        changes.push(Change {
            subject,
            name: name.clone(),
            what,
        });
    };
    for (name, after) in new {
        let what = match old.get(name) {
            None => Some(What::Added),
            Some(before) => difference(before, after),
        };
        if let Some(what) = what {
            note(name, what);
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        note(name, What::Removed);
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match self.subject {
            Subject::Plugin => "plugin",
            Subject::Upstream => "upstream",
            Subject::Listener => "listener",
            Subject::Background => "plugins in the background",
            Subject::Log => "log",
        };
        let what = match self.what {
            What::Added => "added",
            What::Removed => "removed",
            What::Code => "other code",
            What::Settings => "other settings",
        };
        match self.name.is_empty() {
            true => write!(f, "{subject}: {what}"),
            false => write!(f, "{subject} {}: {what}", self.name),
        }
    }
}
