//! What is counted of an upstream while it lives.

use crate::figures::UpstreamFigures;
use std::sync::Arc;

/// A request whose response is not complete.
#[derive(Debug)]
pub(crate) struct Active(Arc<UpstreamFigures>);

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Open(Arc<UpstreamFigures>);

// === impl Active ===

impl Active {
    pub(crate) fn new(figures: &Arc<UpstreamFigures>) -> Self {
        figures.active.add(1);
        Self(Arc::clone(figures))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.subtract(1);
    }
}

// === impl Open ===

impl Open {
    pub(crate) fn new(figures: &Arc<UpstreamFigures>) -> Self {
        figures.connections.add(1);
        figures.open.add(1);
        Self(Arc::clone(figures))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.subtract(1);
    }
}
