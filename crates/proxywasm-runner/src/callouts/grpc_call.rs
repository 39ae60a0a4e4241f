//! A gRPC callout under way.

use super::{Destination, Ticket, Underway};
use http::StatusCode;
use proxywasm_host::{GrpcEvent, GrpcRequest, grpc_code};
use std::rc::Rc;
use wasi_grpc::backend::{Call, Incoming};

/// Begins it as soon as it may be, and hands over what comes back, one event after the other, as the plugin wants it; and which messages
/// have been sent.
pub(super) async fn run(ticket: Ticket, call: Rc<Underway>, request: GrpcRequest) {
    let (begun, destination) = match begin(&call, &request).await {
        Ok(begun) => begun,
        Err(reason) => {
            tracing::debug!(reason, "a gRPC callout was not sent");
            let failure = GrpcEvent::failure(grpc_code::UNAVAILABLE, reason);
            ticket.with(|worker| worker.grpc_event(ticket.id, failure));
            return;
        }
    };
    let Call {
        outgoing,
        mut sent,
        mut incoming,
    } = begun;
    ticket.with(|worker| worker.callouts().begin_sending(ticket.id, outgoing));
    loop {
        let event = tokio::select! {
            event = wanted_event(&ticket, &mut incoming) => event,
            message_bytes = sent.next() => {
                ticket.with(|worker| worker.grpc_sent(ticket.id, message_bytes));
                continue;
            }
        };
        let Some(event) = event else { return };
        match &event {
            GrpcEvent::Message(_) => {}
            GrpcEvent::InitialMetadata(_) => destination.answered(Some(StatusCode::OK)),
            GrpcEvent::End {
                status,
                trailing_metadata: Some(_),
            } => {
                destination.answered(Some(StatusCode::OK));
                destination.ended_with(status.code);
            }
            GrpcEvent::End {
                status,
                trailing_metadata: None,
            } => {
                let why = String::from_utf8_lossy(&status.message);
                destination.failed(incoming.fault(), &why);
                tracing::debug!(code = status.code, reason = ?status.message, "a gRPC callout failed");
            }
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

async fn begin(call: &Rc<Underway>, request: &GrpcRequest) -> Result<(Call, Destination), String> {
    let destination = Destination::choose(call, &request.metadata).await?;
    let authority = destination.authority();
    let client = destination.client(|target| destination.clients().grpc(target, authority))?;
    Ok((client.call(request), destination))
}
