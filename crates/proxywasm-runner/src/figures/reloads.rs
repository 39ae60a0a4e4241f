//! Figures of the configuration: how often it was read again, and what came of that.

use crate::update::{Subject, Update, UpdateError, What};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What came of reading the configuration.
#[derive(Debug, Default)]
pub(crate) struct ReloadFigures(Mutex<ReloadTotals>);

/// The same, at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReloadTotals {
    /// The number of the version that is served; 0 before the first is.
    pub(crate) generation: u64,
    pub(crate) accepted: u64,
    /// Accepted, but nothing was different.
    pub(crate) unchanged: u64,
    pub(crate) refused: u64,
    /// Whether the last one was refused.
    pub(crate) last_refused: bool,
    /// When the last one was not.
    pub(crate) last_success: Option<SystemTime>,
    /// How often another version of a plugin took its place, by its name.
    pub(crate) plugins: BTreeMap<String, u64>,
}

// === impl ReloadFigures ===

impl ReloadFigures {
    /// A version is served for the first time.
    pub(crate) fn serves(&self, generation: u64, now: SystemTime) {
        let mut totals = self.totals();
        totals.generation = generation;
        totals.last_success = Some(now);
    }

    /// What came of an update.
    pub(crate) fn note(&self, result: Result<&Update, &UpdateError>, now: SystemTime) {
        let mut totals = self.totals();
        totals.last_refused = result.is_err();
        let Ok(update) = result else {
            totals.refused = totals.refused.saturating_add(1);
            return;
        };
        totals.last_success = Some(now);
        let count = match update.changes.is_empty() {
            true => &mut totals.unchanged,
            false => &mut totals.accepted,
        };
        *count = count.saturating_add(1);
        for change in &update.changes {
            if change.subject == Subject::Plugin && matches!(change.what, What::Code | What::Settings) {
                let count = totals.plugins.entry(change.name.clone()).or_default();
                *count = count.saturating_add(1);
            }
        }
    }

    /// What they are now.
    pub(super) fn now(&self) -> ReloadTotals {
        self.totals().clone()
    }

    fn totals(&self) -> MutexGuard<'_, ReloadTotals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::Change;

    #[test]
    fn what_came_of_it() {
        let change = |subject, what| Change {
            subject,
            name: "p".to_owned(),
            what,
        };
        let update = |changes: &[Change]| Update {
            generation: 1,
            changes: changes.to_vec(),
            restart: Vec::new(),
        };
        let table = [
            (Ok(update(&[])), (0, 1, 0), None),
            (
                Ok(update(&[change(Subject::Plugin, What::Added)])),
                (1, 1, 0),
                None,
            ),
            (Err(UpdateError::Stopping), (1, 1, 1), None),
            (
                Ok(update(&[change(Subject::Plugin, What::Code)])),
                (2, 1, 1),
                Some(1),
            ),
            (
                Ok(update(&[change(Subject::Upstream, What::Settings)])),
                (3, 1, 1),
                Some(1),
            ),
            (
                Ok(update(&[change(Subject::Plugin, What::Settings)])),
                (4, 1, 1),
                Some(2),
            ),
        ];
        let figures = ReloadFigures::default();
        let (mut now, mut last) = (SystemTime::UNIX_EPOCH, None);
        for (result, expected, of_plugin) in table {
            now += std::time::Duration::from_secs(1);
            figures.note(result.as_ref(), now);
            if result.is_ok() {
                last = Some(now);
            }
            let totals = figures.now();
            let counts = (totals.accepted, totals.unchanged, totals.refused);
            assert_eq!(counts, expected);
            assert_eq!(totals.plugins.get("p").copied(), of_plugin);
            assert_eq!(
                (totals.last_refused, totals.last_success),
                (result.is_err(), last)
            );
        }
    }
}
