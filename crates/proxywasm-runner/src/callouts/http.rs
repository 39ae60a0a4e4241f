//! An HTTP callout under way.

use super::Ticket;
use proxywasm_host::CallEvent;
use wasi_http::backend::Exchange;

/// Hands over what comes back, one piece after the other, as the plugin wants it.
pub(super) async fn run(ticket: Ticket, mut exchange: Exchange) {
    while let Some(event) = exchange.next().await {
        if let CallEvent::Failed(reason) = &event {
            tracing::debug!(reason, "a callout failed");
        }
        let last = matches!(
            event,
            CallEvent::Trailers(_) | CallEvent::End | CallEvent::Failed(_)
        );
        ticket.with(|worker| worker.http_call_event(ticket.id, event));
        if last {
            return;
        }
        ticket.wanted().await;
    }
}
