//! The thread that sends spans to a collector, by OTLP over HTTP.

use super::{TraceError, TraceSettings};
use crate::tls::{ClientTls, ClientTlsSettings, HTTP_1};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Takes spans for a collector, and never waits for it.
pub(super) struct Exporter {
    /// Empty when it was stopped.
    queue: Mutex<Option<Stop>>,
    spans: SyncSender<Message>,
    lost: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
}

struct Stop {
    thread: JoinHandle<()>,
    spans: SyncSender<Message>,
}

enum Message {
    Span(Box<SpanData>),
    Stop,
}

/// What the thread has.
struct Sending {
    exporter: SpanExporter,
    runtime: Runtime,
    endpoint: String,
    lost: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    /// Whether it was told that the collector is away.
    is_away: bool,
}

/// The HTTP client.
#[derive(Debug)]
struct Client(reqwest::Client);

/// How long spans are collected before they are sent, and how many at most.
const INTERVAL: Duration = Duration::from_secs(1);
const BATCH: usize = 512;

// === impl Exporter ===

impl Exporter {
    pub(super) fn start(settings: &TraceSettings) -> Result<Self, TraceError> {
        let failed = |reason: String| TraceError {
            endpoint: settings.endpoint.clone(),
            reason,
        };
        let lost = Arc::<AtomicU64>::default();
        let stopping = Arc::<AtomicBool>::default();
        let sending = Sending {
            exporter: exporter(settings).map_err(failed)?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| failed(error.to_string()))?,
            endpoint: settings.endpoint.clone(),
            lost: Arc::clone(&lost),
            stopping: Arc::clone(&stopping),
            is_away: false,
        };
        let (spans, received) = sync_channel(settings.queue);
        let thread = std::thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || sending.run(&received))
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            queue: Mutex::new(Some(Stop {
                thread,
                spans: spans.clone(),
            })),
            spans,
            lost,
            stopping,
        })
    }

    /// Takes a span, or counts it as lost.
    pub(super) fn export(&self, span: SpanData) {
        if self.spans.try_send(Message::Span(Box::new(span))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what waits, unless the collector is away.
    pub(super) fn stop(&self) {
        let stop = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stop) = stop {
            self.stopping.store(true, Ordering::Relaxed);
            let _ = stop.spans.send(Message::Stop);
            let _ = stop.thread.join();
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop();
    }
}

// === impl Sending ===

impl Sending {
    fn run(mut self, spans: &Receiver<Message>) {
        let mut batch = Vec::new();
        let mut stopped = false;
        while !stopped {
            let until = Instant::now() + INTERVAL;
            while batch.len() < BATCH {
                match spans.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(Message::Span(span)) => batch.push(*span),
                    Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                        stopped = true;
                        break;
                    }
                    Err(RecvTimeoutError::Timeout) => break,
                }
            }
            if !batch.is_empty() {
                self.send(std::mem::take(&mut batch));
            }
            // Nobody waits for a collector that is away.
            stopped |= self.is_away && self.stopping.load(Ordering::Relaxed);
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, endpoint = self.endpoint, "spans were lost");
        }
    }

    fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        match self.runtime.block_on(self.exporter.export(batch)) {
            Ok(()) if self.is_away => {
                self.is_away = false;
                let lost = self.lost.load(Ordering::Relaxed);
                tracing::info!(lost, endpoint = self.endpoint, "the collector of traces is back");
            }
            Ok(()) => {}
            Err(error) => {
                self.lost.fetch_add(count, Ordering::Relaxed);
                if !self.is_away {
                    self.is_away = true;
                    tracing::warn!(
                        endpoint = self.endpoint,
                        "spans are lost, for the collector does not take them: {error}"
                    );
                }
            }
        }
    }
}

fn exporter(settings: &TraceSettings) -> Result<SpanExporter, String> {
    let tls = ClientTls::load(ClientTlsSettings::default()).map_err(|error| error.to_string())?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.offering(&[HTTP_1]))
        .user_agent(concat!("proxywasm/", env!("CARGO_PKG_VERSION")))
        .timeout(settings.timeout)
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client(client))
        .with_endpoint(settings.endpoint.clone())
        .with_timeout(settings.timeout)
        .with_headers(settings.headers.iter().cloned().collect())
        .build()
        .map_err(|error| error.to_string())?;
    let resource = Resource::builder()
        .with_service_name(settings.service_name.clone())
        .build();
    exporter.set_resource(&resource);
    Ok(exporter)
}

// === impl Client ===

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.0.execute(request.try_into()?).await?;
        let mut answer = Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            headers.clone_from(response.headers());
        }
        Ok(answer.body(response.bytes().await?)?)
    }
}
