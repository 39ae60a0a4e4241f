//! The connection of a client.

use super::tunnel::Tunnel;
use crate::properties::ConnectionProperties;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// What the requests of a connection share.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) properties: Arc<ConnectionProperties>,
    /// What it was upgraded to.
    tunnel: RefCell<Option<JoinHandle<()>>>,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(properties: ConnectionProperties) -> Self {
        Self {
            properties: Arc::new(properties),
            tunnel: RefCell::default(),
        }
    }

    pub(crate) fn properties(&self) -> &Arc<ConnectionProperties> {
        &self.properties
    }

    pub(super) fn upgrade(&self, tunnel: Tunnel) {
        let task = tokio::task::spawn_local(tunnel.run());
        *self.tunnel.borrow_mut() = Some(task);
    }

    /// Waits for the end of what the connection was upgraded to, if it was.
    pub(crate) async fn tunnel(&self) {
        let tunnel = self.tunnel.take();
        if let Some(tunnel) = tunnel
            && let Err(error) = tunnel.await
        {
            tracing::debug!(%error, "an upgraded connection was given up");
        }
    }
}
