//! A gRPC callout under way.

use super::{Destination, Ticket};
use http::StatusCode;
use proxywasm_host::GrpcEvent;
use wasi_grpc::backend::{Incoming, Sent};

/// Hands over what comes back, one event after the other, as the plugin wants it; and which messages have been sent.
pub(super) async fn run(ticket: Ticket, mut incoming: Incoming, mut sent: Sent, destination: Destination) {
    loop {
        let event = tokio::select! {
            event = wanted_event(&ticket, &mut incoming) => event,
            message_bytes = sent.next() => {
                ticket.with(|worker| worker.grpc_sent(ticket.id, message_bytes));
                continue;
            }
        };
        let Some(event) = event else { return };
        if let GrpcEvent::InitialMetadata(_) = &event {
            destination.answered(Some(StatusCode::OK));
        }
        if let GrpcEvent::End {
            status,
            trailing_metadata: None,
        } = &event
        {
            destination.failed();
            tracing::debug!(code = status.code, reason = ?status.message, "a gRPC callout failed");
        }
        let last = matches!(event, GrpcEvent::End { .. });
        ticket.with(|worker| worker.grpc_event(ticket.id, event));
        if last {
            return;
        }
    }
}

/// The next event, once the plugin wants it. To drop the future loses nothing.
async fn wanted_event(ticket: &Ticket, incoming: &mut Incoming) -> Option<GrpcEvent> {
    ticket.wanted().await;
    incoming.next().await
}
