//! Handles: the ids by which a plugin names what it has opened.

use crate::Status;
use rustc_hash::FxHashMap;

/// The handles of one kind in one instance. A handle belongs to the plugin that made it and goes with it.
///
/// Ids are never 0, count up, and are not given out again while they live.
#[derive(Debug)]
pub struct HandleTable<T> {
    handles: FxHashMap<u32, (u32, T)>,
    last: u32,
}

// === impl HandleTable ===

impl<T> Default for HandleTable<T> {
    fn default() -> Self {
        Self {
            handles: FxHashMap::default(),
            last: 0,
        }
    }
}

impl<T> HandleTable<T> {
    /// Makes a handle for `plugin_id`, which may have at most `limit` of them.
    ///
    /// # Errors
    /// `unavailable` where it has that many.
    pub fn insert(&mut self, plugin_id: u32, limit: usize, value: T) -> Result<u32, Status> {
        self.check_room(plugin_id, limit)?;
        loop {
            self.last = self.last.wrapping_add(1).max(1);
            if !self.handles.contains_key(&self.last) {
                self.handles.insert(self.last, (plugin_id, value));
                return Ok(self.last);
            }
        }
    }

    /// Whether `plugin_id`, which may have at most `limit` handles, can make another one: to be asked before anything is done that a
    /// refusal would have to undo.
    ///
    /// # Errors
    /// `unavailable` where it cannot.
    pub fn check_room(&self, plugin_id: u32, limit: usize) -> Result<(), Status> {
        let of_plugin = || self.handles.values().filter(|(owner, _)| *owner == plugin_id);
        if self.handles.len() >= limit && of_plugin().count() >= limit {
            return Err(Status::Unavailable);
        }
        Ok(())
    }

    /// What `id` stands for, if it is a handle of `plugin_id`.
    ///
    /// # Errors
    /// `bad_argument` where there is no such handle, `not_allowed` where it is another plugin's.
    pub fn get_mut(&mut self, plugin_id: u32, id: u32) -> Result<&mut T, Status> {
        match self.handles.get_mut(&id) {
            None => Err(Status::BadArgument),
            Some((owner, _)) if *owner != plugin_id => Err(Status::NotAllowed),
            Some((_, value)) => Ok(value),
        }
    }

    /// Like [`HandleTable::get_mut`], to look only.
    ///
    /// # Errors
    /// As [`HandleTable::get_mut`].
    pub fn get(&self, plugin_id: u32, id: u32) -> Result<&T, Status> {
        match self.handles.get(&id) {
            None => Err(Status::BadArgument),
            Some((owner, _)) if *owner != plugin_id => Err(Status::NotAllowed),
            Some((_, value)) => Ok(value),
        }
    }

    /// The plugin that owns a handle, if there is one of this id.
    pub fn owner(&self, id: u32) -> Option<u32> {
        self.handles.get(&id).map(|(owner, _)| *owner)
    }

    /// Whether there is no handle.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// All handles: id, owner and what they stand for, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, &T)> {
        self.handles
            .iter()
            .map(|(id, (owner, value))| (*id, *owner, value))
    }

    /// Takes a handle of `plugin_id` away.
    ///
    /// # Errors
    /// As [`HandleTable::get_mut`].
    pub fn remove(&mut self, plugin_id: u32, id: u32) -> Result<T, Status> {
        self.get_mut(plugin_id, id)?;
        self.handles
            .remove(&id)
            .map(|(_, value)| value)
            .ok_or(Status::BadArgument)
    }

    /// Takes all handles of a plugin that goes.
    pub fn remove_plugin(&mut self, plugin_id: u32) -> Vec<T> {
        let ids: Vec<u32> = self
            .handles
            .iter()
            .filter(|(_, (owner, _))| *owner == plugin_id)
            .map(|(id, _)| *id)
            .collect();
        ids.iter()
            .filter_map(|id| self.handles.remove(id))
            .map(|(_, value)| value)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_bounds() {
        let mut table = HandleTable::default();
        let first = table.insert(1, 2, 'a').unwrap();
        let second = table.insert(1, 2, 'b').unwrap();
        assert_eq!((first, second), (1, 2));
        assert_eq!(table.insert(1, 2, 'c'), Err(Status::Unavailable));
        assert_eq!(table.check_room(1, 2), Err(Status::Unavailable));
        assert_eq!(table.check_room(2, 2), Ok(()));
        let other = table.insert(2, 2, 'd').unwrap();
        assert_eq!(table.get_mut(1, other), Err(Status::NotAllowed));
        assert_eq!(table.get_mut(1, 99), Err(Status::BadArgument));
        assert_eq!(table.get_mut(1, 0), Err(Status::BadArgument));
        assert_eq!(table.get_mut(1, second), Ok(&mut 'b'));
        assert_eq!(table.get(1, second), Ok(&'b'));
        assert_eq!(table.get(2, second), Err(Status::NotAllowed));
        assert_eq!((table.owner(other), table.owner(99)), (Some(2), None));
        assert_eq!(table.remove(1, first), Ok('a'));
        assert_eq!(table.remove(1, first), Err(Status::BadArgument));
        assert_eq!(table.insert(1, 2, 'e'), Ok(4), "an id is not used again at once");
        assert_eq!(table.remove_plugin(1).len(), 2);
        assert_eq!(table.get_mut(2, other), Ok(&mut 'd'));
    }

    #[test]
    fn ids_skip_what_lives_when_they_wrap() {
        let mut table = HandleTable::default();
        let first = table.insert(1, 9, ()).unwrap();
        table.last = u32::MAX;
        assert_eq!(first, 1);
        assert_eq!(table.insert(1, 9, ()), Ok(2));
    }
}
