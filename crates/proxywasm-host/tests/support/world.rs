//! A host with guests, and what happens to it: the words of `drive`.
//!
//! | word | what happens |
//! |---|---|
//! | `rqh`, `rqb:DATA`, `rqt`, `rqm` | a part of a request comes; `!` at the end ends the request |
//! | `rsh`, `rsb:DATA`, `rst`, `rsm` | likewise of its response |
//! | `finish` | the stream ends; it also does at the end of the script |
//! | `level:NAME` | the log level is changed |
//! | `stop` | all plugins are shut down |
//! | `tick` | the next deadline of the host comes |
//! | `wake` | the host was woken, as by a queue |
//! | `custom:N:TEXT` | the embedder calls the plugin by custom callback N; the results come out |
//! | `new`, `down:DATA`, `up:DATA` | a TCP connection comes, data of either side; `!` ends that side |
//! | `downclose`, `upclose` | a side closes the connection |
//! | `call:200`, `callbody:DATA`, `calltrailers`, `callend`, `callfail` | the answer to the oldest HTTP callout comes |
//! | `grpchead`, `grpcmessage:DATA`, `grpcend:CODE` | the answer to the oldest gRPC callout comes |

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use proxywasm_host::{
    CalloutId, Command, Engine, EngineSettings, FilterChain, Host, LogLevel, MemorySink, Output, Plugin,
    PluginConfig, Services, StreamId,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use wasi_common::{CalloutKind, CalloutStatus, CloseSource};
use wasi_grpc::Event;
use wasi_http::CallEvent;

/// What a case changes of a world before it begins.
pub(crate) struct Setup {
    pub(crate) config: PluginConfig,
    pub(crate) services: Services,
    /// Plugins in one instance, in one chain.
    pub(crate) plugins: usize,
}

/// A host with guests.
pub(crate) struct World {
    host: Host,
    chain: FilterChain,
    stream: Option<StreamId>,
    log: Arc<MemorySink>,
    /// Callouts that were sent and have not ended, the oldest first.
    http_calls: VecDeque<CalloutId>,
    grpc_calls: VecDeque<CalloutId>,
    /// What the last custom callback returned.
    custom: Option<String>,
}

// === impl World ===

impl World {
    /// A world in which a module is the plugin.
    pub(crate) fn new(module: &str, change: impl Fn(&mut Setup)) -> Self {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        let engine = ENGINE.get_or_init(|| Engine::new(EngineSettings::default()).unwrap());
        let log = Arc::new(MemorySink::default());
        let mut setup = Setup {
            config: PluginConfig::new("p"),
            services: Services::from(Arc::clone(&log)),
            plugins: 1,
        };
        setup.services.upstreams = Arc::new(BTreeSet::from(["service".to_owned(), "other".to_owned()]));
        change(&mut setup);
        let wasm = wat::parse_str(module).unwrap_or_else(|error| panic!("{error}\n{module}"));
        let code = engine
            .load(&wasm)
            .unwrap_or_else(|error| panic!("{error}\n{module}"));
        let plugins = (0..setup.plugins).map(|index| {
            let config = PluginConfig {
                name: format!("p{index}"),
                ..setup.config.clone()
            };
            Plugin::new(engine, Arc::clone(&code), config, &setup.services).unwrap()
        });
        let chain = FilterChain::new(plugins.collect());
        log.take();
        Self {
            host: Host::new(setup.services),
            chain,
            stream: None,
            log,
            http_calls: VecDeque::new(),
            grpc_calls: VecDeque::new(),
            custom: None,
        }
    }

    /// Lets things happen, and returns the trace: what the guests logged, and what came out.
    pub(crate) fn drive(&mut self, script: &str) -> String {
        let mut trace = String::new();
        for word in script.split_whitespace().chain(["finish"]) {
            self.event(word);
            for (_, message) in self.log.take() {
                trace.push_str(&message);
                trace.push('\n');
            }
            trace.push_str(&self.outputs());
        }
        trace
    }

    fn event(&mut self, word: &str) {
        let (event, ends) = match word.strip_suffix('!') {
            Some(event) => (event, true),
            None => (word, false),
        };
        let (kind, data) = event.split_once(':').unwrap_or((event, ""));
        let bytes = Bytes::copy_from_slice(data.as_bytes());
        match kind {
            "finish" => {
                if let Some(id) = self.stream.take() {
                    self.host.finish(id);
                }
            }
            "level" => self.host.set_log_level(match data {
                "debug" => LogLevel::Debug,
                "error" => LogLevel::Error,
                other => panic!("no level is called {other}"),
            }),
            "stop" => self.host.shut_all_down(),
            "tick" => {
                let deadline = self.host.next_deadline().expect("something waits for a time");
                self.host.handle_deadline(deadline);
            }
            "wake" => self.host.handle_wake(),
            "custom" => {
                let (number, text) = data.split_once(':').unwrap_or((data, ""));
                let plugin = &self.chain.plugins()[0];
                let results = self
                    .host
                    .custom_callback(plugin, number.parse().unwrap(), &[text.as_bytes()]);
                let results = results.unwrap();
                let texts = results.iter().map(|result| String::from_utf8_lossy(result));
                self.custom = Some(texts.collect::<Vec<_>>().join(","));
            }
            _ if kind.starts_with("grpc") => self.grpc(kind, data),
            _ if kind.starts_with("call") => self.http_call(kind, data),
            _ if matches!(kind, "new" | "down" | "up" | "downclose" | "upclose") => {
                self.connection(kind, bytes, ends)
            }
            _ => {
                let id = self.stream();
                match kind {
                    "rqh" => self.host.request_headers(id, request(), ends),
                    "rqb" => self.host.request_body(id, bytes, ends),
                    "rqt" => self.host.request_trailers(id, trailers()),
                    "rqm" => self.host.request_metadata(id, [("m", "1")].into_iter().collect()),
                    "rsh" => self.host.response_headers(id, response(), ends),
                    "rsb" => self.host.response_body(id, bytes, ends),
                    "rst" => self.host.response_trailers(id, trailers()),
                    "rsm" => self
                        .host
                        .response_metadata(id, [("m", "1")].into_iter().collect()),
                    other => panic!("no event is called {other}"),
                }
            }
        }
    }

    /// The answer to the oldest HTTP callout that was sent.
    fn http_call(&mut self, kind: &str, data: &str) {
        let id = self.http_calls.front().copied().expect("a callout was sent");
        let event = match kind {
            "call" => CallEvent::Headers([(":status", data), ("y", "2")].into_iter().collect()),
            "callbody" => CallEvent::Body(Bytes::copy_from_slice(data.as_bytes())),
            "calltrailers" => CallEvent::Trailers([("t", "3")].into_iter().collect()),
            "callend" => CallEvent::End,
            "callfail" => CallEvent::Failed("the upstream is away".to_owned()),
            other => panic!("no event is called {other}"),
        };
        if event.is_last() {
            self.http_calls.pop_front();
        }
        self.host.http_call_event(id, event);
    }

    /// The answer to the oldest gRPC callout that was sent.
    fn grpc(&mut self, kind: &str, data: &str) {
        let id = self.grpc_calls.front().copied().expect("a callout was sent");
        let event = match kind {
            "grpchead" => Event::InitialMetadata([("h", "2")].into_iter().collect()),
            "grpcmessage" => Event::Message(Bytes::copy_from_slice(data.as_bytes())),
            "grpcend" => Event::End {
                status: CalloutStatus {
                    code: data.parse().unwrap(),
                    message: Bytes::from_static(b"why"),
                },
                trailing_metadata: Some([("t", "3")].into_iter().collect()),
            },
            other => panic!("no event is called {other}"),
        };
        if matches!(event, Event::End { .. }) {
            self.grpc_calls.pop_front();
        }
        self.host.grpc_event(id, event);
    }

    fn connection(&mut self, kind: &str, data: Bytes, ends: bool) {
        let (host, chain) = (&mut self.host, &self.chain);
        let id = *self
            .stream
            .get_or_insert_with(|| host.open_bytestream(chain, None));
        match kind {
            "new" => host.new_connection(id),
            "down" => host.downstream_data(id, data, ends),
            "up" => host.upstream_data(id, data, ends),
            "downclose" => host.downstream_closed(id, CloseSource::Remote),
            "upclose" => host.upstream_closed(id, CloseSource::Remote),
            other => panic!("no event is called {other}"),
        }
    }

    fn stream(&mut self) -> StreamId {
        let (host, chain) = (&mut self.host, &self.chain);
        *self.stream.get_or_insert_with(|| host.open(chain, None))
    }

    /// What came out of the stream, a line for each.
    fn outputs(&mut self) -> String {
        let mut text = String::new();
        if let Some(results) = self.custom.take() {
            text.push_str(&format!("out:custom:{results}\n"));
        }
        while let Some(command) = self.host.next_command() {
            match command {
                Command::HttpCall { id, .. } => {
                    self.http_calls.push_back(id);
                    text.push_str("out:call\n");
                }
                Command::GrpcCall { id, request, .. } => {
                    self.grpc_calls.push_back(id);
                    let name = match request.kind {
                        CalloutKind::GrpcStream => "open_grpc_stream",
                        _ => "dispatch_grpc_call",
                    };
                    text.push_str(&format!("out:grpc:{name}\n"));
                }
                Command::GrpcSend { .. } => text.push_str("out:grpcsend\n"),
                Command::ReadCall(_) => text.push_str("out:readcall\n"),
                Command::CancelCall { id, .. } => {
                    self.http_calls.retain(|other| *other != id);
                    self.grpc_calls.retain(|other| *other != id);
                    text.push_str("out:cancelcall\n");
                }
            }
        }
        let Some(id) = self.stream else { return text };
        while let Some(output) = self.host.next_output(id) {
            let line = match output {
                Output::RequestHeaders { .. } => "out:rqh".to_owned(),
                Output::RequestBody { .. } => "out:rqb".to_owned(),
                Output::ResponseHeaders { head, .. } => format!("out:rsh:{}", head.status.as_u16()),
                Output::ConnectUpstream => "out:connect".to_owned(),
                Output::UpstreamData { data, .. } => format!("out:up:{}", String::from_utf8_lossy(&data)),
                Output::DownstreamData { data, .. } => format!("out:down:{}", String::from_utf8_lossy(&data)),
                Output::CloseUpstream => "out:closeup".to_owned(),
                Output::CloseDownstream => "out:closedown".to_owned(),
                Output::Reset(reason) => format!("out:reset:{reason:?}"),
                _ => continue,
            };
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

fn request() -> http::request::Parts {
    let builder = Request::get("/path?query")
        .header("host", "example.test")
        .header("x", "1");
    builder.body(()).unwrap().into_parts().0
}

fn response() -> http::response::Parts {
    let builder = Response::builder().status(200).header("y", "2");
    builder.body(()).unwrap().into_parts().0
}

fn trailers() -> HeaderMap {
    [("t".parse().unwrap(), "3".parse().unwrap())]
        .into_iter()
        .collect()
}
