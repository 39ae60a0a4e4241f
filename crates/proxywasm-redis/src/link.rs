//! The thread's side: connecting, sending, probing, and telling listeners.

use crate::CallError;
use crate::connector::Shared;
use crate::health::{Event, State};
use crate::reply::Reply;
use crate::request::Request;
use crate::settings::{RedisSettings, StartError};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, RedisResult, Value};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// What callers want of the thread.
pub(crate) enum Job {
    /// Send a request.
    Run(Request, Reply),
    /// See whether the server answers again.
    Probe,
}

/// The thread of a connector.
struct Link {
    client: Client,
    settings: RedisSettings,
    shared: Arc<Shared>,
    jobs: UnboundedReceiver<Job>,
    backoff: Duration,
}

/// How soon a server that is late is asked again.
const PROBE_PAUSE: Duration = Duration::from_millis(20);

/// Requests that may wait for the connection to take them; more wait in front of it.
const PIPELINE: usize = 1024;

/// All callers are gone.
struct Ended;

/// Starts the thread.
pub(crate) fn start(
    settings: RedisSettings,
    shared: Arc<Shared>,
) -> Result<UnboundedSender<Job>, StartError> {
    let client = Client::open(settings.address()?).map_err(StartError::Address)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (sender, jobs) = mpsc::unbounded_channel();
    let link = Link {
        client,
        backoff: Duration::ZERO,
        settings,
        shared,
        jobs,
    };
    thread::Builder::new()
        .name("redis".to_owned())
        .spawn(move || runtime.block_on(link.run()))?;
    Ok(sender)
}

// === impl Link ===

impl Link {
    async fn run(mut self) {
        // The only way out is that nobody is left to serve.
        let Err(Ended) = self.serve_connections().await;
    }

    async fn serve_connections(&mut self) -> Result<std::convert::Infallible, Ended> {
        let mut reported = false;
        loop {
            let lost = Arc::new(Notify::new());
            let attempt = connect(
                self.client.clone(),
                self.settings.patience,
                Arc::clone(&self.shared),
                Arc::clone(&lost),
            );
            match self.refusing(attempt).await? {
                Ok(connection) => {
                    reported = false;
                    let since = Instant::now();
                    self.serve(connection, &lost).await?;
                    if since.elapsed() > self.settings.max_backoff {
                        self.backoff = Duration::ZERO;
                    }
                }
                Err(error) => {
                    if !reported {
                        tracing::warn!(%error, "the Redis server cannot be reached; stores and queues on it are unavailable");
                    }
                    reported = true;
                }
            }
            let pause = self.next_pause();
            self.refusing(sleep(pause)).await?;
        }
    }

    /// Serves one connection until it is lost.
    async fn serve(&mut self, connection: MultiplexedConnection, lost: &Notify) -> Result<(), Ended> {
        let shared = Arc::clone(&self.shared);
        shared.health.count(Event::Connection);
        shared.health.set_connected(true);
        shared.tell(|listener| listener.connected());
        tracing::info!("connected to the Redis server");
        let probe = Notify::new();
        let mut requests = JoinSet::new();
        let ended = {
            let mut watch = std::pin::pin!(watch(connection.clone(), &self.settings, &shared, &probe));
            loop {
                tokio::select! {
                    () = &mut watch => break Ok(()),
                    () = lost.notified() => break Ok(()),
                    job = self.jobs.recv() => match job {
                        Some(Job::Run(request, reply)) if reply.is_wanted() => {
                            requests.spawn(send(connection.clone(), request, reply, Arc::clone(&shared)));
                        }
                        Some(Job::Run(..)) => {}
                        Some(Job::Probe) => probe.notify_one(),
                        None => break Err(Ended),
                    },
                    Some(_) = requests.join_next(), if !requests.is_empty() => {}
                }
            }
        };
        if ended.is_err() {
            // Whoever has gone may have sent something on its way out.
            let sent = async { while requests.join_next().await.is_some() {} };
            let _out_of_patience = timeout(self.settings.patience, sent).await;
        }
        shared.health.set_connected(false);
        // All of them are answered before anybody hears of the next connection.
        requests.shutdown().await;
        shared.tell(|listener| listener.disconnected());
        if ended.is_ok() {
            tracing::warn!("the connection to the Redis server is lost");
        }
        ended
    }

    /// Waits for a future, and refuses all requests meanwhile.
    async fn refusing<T>(&mut self, future: impl Future<Output = T>) -> Result<T, Ended> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                output = &mut future => return Ok(output),
                job = self.jobs.recv() => match job {
                    Some(Job::Run(_, reply)) => reply.give(Err(CallError::Unavailable)),
                    Some(Job::Probe) => {}
                    None => return Err(Ended),
                },
            }
        }
    }

    /// The pause before the next attempt: longer each time, and never quite the same, so that the proxies of a fleet do not return all at
    /// once.
    fn next_pause(&mut self) -> Duration {
        let longest = self.settings.max_backoff;
        self.backoff = (self.backoff * 2).clamp(longest / 20, longest);
        let mut random = [0; 1];
        // Without randomness the pause is just not jittered.
        let _no_jitter = getrandom::fill(&mut random);
        let half = self.backoff / 2;
        half + half * u32::from(random[0]) / 256
    }
}

/// Connects, and sets the connection up.
async fn connect(
    client: Client,
    patience: Duration,
    shared: Arc<Shared>,
    lost: Arc<Notify>,
) -> RedisResult<MultiplexedConnection> {
    let listeners = Arc::clone(&shared);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(patience))
        // Callers have their own bound, and probes find out about a server that does not answer.
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE)
        .set_push_sender(move |push: PushInfo| -> Result<(), std::convert::Infallible> {
            if push.kind == PushKind::Disconnection {
                lost.notify_one();
            } else {
                tell(&listeners, push);
            }
            Ok(())
        });
    let set_up = async {
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        redis::cmd("CLIENT")
            .arg(&["TRACKING", "ON", "OPTIN"])
            .query_async::<()>(&mut connection)
            .await?;
        for channel in shared.channels() {
            connection.subscribe(channel).await?;
        }
        Ok(connection)
    };
    timeout(patience, set_up).await.map_err(std::io::Error::from)?
}

/// Sends a request, beside all others.
async fn send(connection: MultiplexedConnection, request: Request, reply: Reply, shared: Arc<Shared>) {
    let answer = request.run(connection).await;
    if let Err(error) = &answer {
        shared.health.count(Event::Error);
        report(error, &shared);
    }
    reply.give(answer);
}

/// Says what the server refused, the first time on each connection for whoever runs it, and then only for who looks for it.
fn report(error: &CallError, shared: &Shared) {
    match error {
        CallError::Refused(refusal) if shared.health.is_first_refusal() => {
            tracing::warn!(%refusal, "the Redis server refuses requests; stores or queues on it are unavailable");
        }
        _ => tracing::debug!(%error, "a request to the Redis server failed"),
    }
}

/// Probes the server now and then, and soon while it is late. Returns when it has not answered for too long.
async fn watch(
    mut connection: MultiplexedConnection,
    settings: &RedisSettings,
    shared: &Shared,
    probe: &Notify,
) {
    loop {
        match shared.health.state() {
            State::Stalled => sleep(PROBE_PAUSE).await,
            _ => {
                // Either way it is time for a probe.
                let _until_asked = timeout(settings.keepalive, probe.notified()).await;
            }
        }
        let asked = Instant::now();
        let ping = redis::cmd("PING");
        match timeout(settings.patience, connection.send_packed_command(&ping)).await {
            Ok(Ok(_)) if asked.elapsed() <= settings.bound => shared.health.recover(),
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
        if shared.health.state() == State::Up {
            shared.tell(|listener| listener.probed());
        }
    }
}

/// Tells the listeners what the server told.
fn tell(shared: &Shared, push: PushInfo) {
    match (push.kind, push.data.as_slice()) {
        (PushKind::Invalidate, [Value::Array(keys)]) => {
            for key in keys {
                if let Value::BulkString(key) = key {
                    shared.tell(|listener| listener.invalidated(Some(key)));
                }
            }
        }
        // Everything was flushed.
        (PushKind::Invalidate, _) => shared.tell(|listener| listener.invalidated(None)),
        (PushKind::Message, [Value::BulkString(channel), Value::BulkString(payload)]) => {
            shared.tell(|listener| listener.message(channel, payload));
        }
        _ => {}
    }
}
