//! An HTTP callout under way.

use super::{Destination, Ticket, Underway};
use http::StatusCode;
use proxywasm_host::{CallEvent, CallRequest};
use std::rc::Rc;
use wasi_http::backend::Exchange;

/// Sends it as soon as it may be, and hands over what comes back, one piece after the other, as the plugin wants it.
pub(super) async fn run(ticket: Ticket, call: Rc<Underway>, request: CallRequest) {
    let (mut exchange, destination) = match begin(&call, request).await {
        Ok(begun) => begun,
        Err(reason) => {
            tracing::debug!(reason, "a callout was not sent");
            ticket.with(|worker| worker.http_call_event(ticket.id, CallEvent::Failed(reason)));
            return;
        }
    };
    while let Some(event) = exchange.next().await {
        match &event {
            CallEvent::Failed(reason) => {
                destination.failed(exchange.fault(), reason);
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

async fn begin(call: &Rc<Underway>, request: CallRequest) -> Result<(Exchange, Destination), String> {
    let destination = Destination::choose(call, &request.headers).await?;
    let client = destination.client(|target| destination.clients().http(target))?;
    Ok((client.call(request), destination))
}
