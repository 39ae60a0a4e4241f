//! `/reload`: the configuration is read again.

use crate::admin::answer::{Answer, text};
use crate::admin::router::Call;
use crate::update::UpdateError;
use http::StatusCode;
use std::pin::Pin;

pub(super) fn reload(call: Call) -> Pin<Box<dyn Future<Output = Answer>>> {
    let asked = call.state.reloads().map(|reloads| reloads.ask_and_tell());
    Box::pin(async move {
        let Some(asked) = asked else {
            return refusal(&UpdateError::NoSource);
        };
        match asked.await {
            Ok(Ok(update)) => text(StatusCode::OK, format!("{update}\n")),
            Ok(Err(error)) => refusal(&error),
            Err(_) => refusal(&UpdateError::Stopping),
        }
    })
}

fn refusal(error: &UpdateError) -> Answer {
    let status = match error {
        UpdateError::Refused(_) | UpdateError::Protocol(_) => StatusCode::UNPROCESSABLE_ENTITY,
        UpdateError::Listen(_) | UpdateError::NoSource => StatusCode::CONFLICT,
        UpdateError::Start(_) => StatusCode::INTERNAL_SERVER_ERROR,
        UpdateError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    text(status, format!("everything stays as it was: {error}\n"))
}
