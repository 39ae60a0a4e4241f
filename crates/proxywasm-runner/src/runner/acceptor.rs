//! Accepting for all workers: each connection goes to the worker that has the fewest.

use crate::server;
use crate::shutdown::{Phase, Shutdown};
use crate::transport::{Address, BoundListener, BoundSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// A connection on its way to a worker.
pub(super) struct Handover {
    pub(super) listener: usize,
    pub(super) socket: BoundSocket,
    pub(super) peer: Address,
}

/// A worker as acceptors see it.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) connections: mpsc::UnboundedSender<Handover>,
    pub(super) load: Arc<AtomicUsize>,
}

/// The life of an acceptor.
pub(super) async fn hand_over(
    listener: usize,
    socket: BoundListener,
    targets: Vec<Target>,
    mut shutdown: Shutdown,
) {
    let acceptor = match socket.into_listener() {
        Ok(acceptor) => acceptor,
        Err(error) => return tracing::error!(%error, "a socket cannot be used"),
    };
    let give = |socket, peer| {
        let least = |target: &&Target| target.load.load(Ordering::Relaxed);
        if let Some(target) = targets.iter().min_by_key(least) {
            target.load.fetch_add(1, Ordering::Relaxed);
            // A worker that is gone is one that stopped; so does this.
            let _ = target.connections.send(Handover {
                listener,
                socket,
                peer,
            });
        }
    };
    let mut stopped = std::pin::pin!(shutdown.reached(Phase::Closing));
    loop {
        let accepted = tokio::select! {
            accepted = acceptor.accept() => accepted,
            () = &mut stopped => break,
        };
        match accepted {
            Ok((socket, peer)) => match socket.into_bound() {
                Ok(socket) => give(socket, peer),
                Err(error) => tracing::warn!(%error, "an accepted connection cannot be handed over"),
            },
            Err(error) => server::rest_after(&error).await,
        }
    }
    // Who has connected already would see the connection reset.
    for (socket, peer) in acceptor.into_waiting() {
        give(socket, peer);
    }
}
