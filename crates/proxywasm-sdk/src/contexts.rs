//! What a plugin keeps for each of its streams.

/// Values by id, sorted. Hosts count ids up, and few streams are open at once: adding is at the end, and looking up is a few
/// comparisons, without an allocation for each stream.
pub(crate) struct Contexts<T>(Vec<(u32, T)>);

// === impl Contexts ===

impl<T> Contexts<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a value, in place of one that had the id.
    pub(crate) fn insert(&mut self, id: u32, value: T) {
        match self.0.last() {
            Some((last, _)) if *last >= id => match self.place(id) {
                Ok(at) => self.0.splice(at..=at, [(id, value)]).for_each(drop),
                Err(at) => self.0.insert(at, (id, value)),
            },
            _ => self.0.push((id, value)),
        }
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let at = self.place(id).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<T> {
        let at = self.place(id).ok()?;
        Some(self.0.remove(at).1)
    }

    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (u32, &mut T)> {
        self.0.iter_mut().map(|(id, value)| (*id, value))
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.0.retain(|(_, value)| keep(value));
    }

    fn place(&self, id: u32) -> Result<usize, usize> {
        self.0.binary_search_by_key(&id, |(id, _)| *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_any_order() {
        let mut contexts = Contexts::new();
        for id in [5, 9, 2, 7, 9, 1] {
            contexts.insert(id, id * 10);
        }
        assert_eq!(contexts.0, [(1, 10), (2, 20), (5, 50), (7, 70), (9, 90)]);
        assert_eq!(contexts.get_mut(7), Some(&mut 70));
        assert_eq!((contexts.remove(2), contexts.remove(2)), (Some(20), None));
        assert_eq!(contexts.get_mut(3), None);
        contexts.insert(2, 21);
        assert_eq!(contexts.remove(2), Some(21));
    }
}
