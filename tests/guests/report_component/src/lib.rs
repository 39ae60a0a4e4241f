//! Reports each request to an upstream when it is over (Proxy-Wasm component ABI).
//!
//! It posts `METHOD PATH STATUS` to `/report` at the upstream `reports`. The call outlives the stream, so its answer goes to the plugin, which counts
//! in the metrics `reported` and `lost`.

use std::time::Duration;

use proxywasm_sdk::{
    Action, CallFailure, Counter, HttpCall, HttpCallResponse, HttpContext, HttpPlugin, HttpRequest,
    HttpStream, Plugin, PluginContext, Result, plugin, warn,
};

plugin!(Reporter: http(), http_call_response);

#[derive(Clone, Copy)]
struct Reporter {
    reported: Counter,
    lost: Counter,
}

impl Plugin for Reporter {
    fn on_start(_plugin: &PluginContext, _configuration: &[u8]) -> Result<Self, String> {
        let counters = Counter::new("reported").and_then(|reported| Ok((reported, Counter::new("lost")?)));
        let (reported, lost) = counters.map_err(|status| format!("the metrics: {status}"))?;
        Ok(Self { reported, lost })
    }

    fn on_http_call_response(
        &mut self,
        _plugin: &PluginContext,
        _call: HttpCall,
        response: Result<HttpCallResponse, CallFailure>,
    ) -> Result<Action> {
        match response {
            Ok(response) if response.status_code()? < 300 => self.reported.increment(1)?,
            Ok(_) => self.lost.increment(1)?,
            Err(failure) => {
                warn!("a report is lost: {failure}");
                self.lost.increment(1)?;
            }
        }
        Ok(Action::Forward)
    }
}

impl HttpPlugin for Reporter {
    type Context = Report;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Report {
        Report { lost: self.lost }
    }
}

struct Report {
    lost: Counter,
}

impl HttpContext for Report {
    fn on_finalize(&mut self, stream: &HttpStream) {
        if let Err(status) = report(stream) {
            warn!("a report is lost: {status}");
            // The plugin's metrics live as long as it does: this does not fail.
            let _ = self.lost.increment(1);
        }
    }
}

fn report(stream: &HttpStream) -> Result<HttpCall> {
    let request = stream.request_headers().read(&[":method", ":path"])?;
    // A stream that was reset has no response.
    let response = stream.response_headers().get(":status").unwrap_or_default();
    let body = [
        request.get(":method").unwrap_or_default(),
        request.get(":path").unwrap_or_default(),
        response.as_deref().unwrap_or(b"-"),
    ]
    .join(&b' ');
    HttpRequest::new("reports", "POST", "/report")
        .header("content-type", "text/plain")
        .body(&body)
        .timeout(Duration::from_secs(5))
        .dispatch()
}
