//! An HTTP callout under way.

use super::{Destination, Ticket};
use http::StatusCode;
use proxywasm_host::CallEvent;
use wasi_http::backend::Exchange;

/// Hands over what comes back, one piece after the other, as the plugin wants it.
pub(super) async fn run(ticket: Ticket, mut exchange: Exchange, destination: Destination) {
    while let Some(event) = exchange.next().await {
        match &event {
            CallEvent::Failed(reason) => {
                destination.failed();
                tracing::debug!(reason, "a callout failed");
            }
            CallEvent::Headers(head) => {
                let status = head.get(b":status");
                destination.answered(status.and_then(|status| StatusCode::from_bytes(status).ok()));
            }
            _ => {}
        }
        let last = event.is_last();
        ticket.with(|worker| worker.http_call_event(ticket.id, event));
        if last {
            return;
        }
        ticket.wanted().await;
    }
}
