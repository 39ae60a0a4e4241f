//! Servers that backends of the runner live on.

/// A server beyond this process on which stores or queues live: what the runner has to know of it.
pub trait Remote: Send + Sync {
    /// Adds what was counted to a page in the text format of Prometheus: whole families, of names that no plugin has.
    fn write_metrics(&self, page: &mut String);

    /// Called before plugins start, which need it. Waits, for a short while, until it answers.
    fn wait_until_up(&self);

    /// Called once nothing uses it any more. Waits, for a short while, until what was sent last has arrived.
    fn flush(&self);
}
