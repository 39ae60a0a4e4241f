//! An instance without a host, and short names for what comes and goes.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use wasi_common::{
    AbiPolicy, Action, BufferType, ByteMap, CallScope, CalloutStatus, Common, MapType, PluginSettings, Status,
};
use wasi_grpc::{Effect, Event, Grpc, Part, Target};

pub(crate) const TARGET: Target<'static> = Target {
    upstream: b"up",
    service: b"pkg.Service",
    method: b"Method",
    metadata: &[],
};

/// An instance with two plugins, of which the first executes.
pub(crate) struct Instance {
    pub(crate) common: Common,
    pub(crate) grpc: Grpc,
    pub(crate) plugins: [u32; 2],
}

impl Instance {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl Fn(&mut PluginSettings)) -> Self {
        let mut common = Common::default();
        let plugins = ["one", "two"].map(|name| {
            let mut settings = PluginSettings::new(name, AbiPolicy::COMPONENT);
            change(&mut settings);
            common.contexts.add_plugin(Arc::new(settings))
        });
        common.scope = CallScope::new(plugins[0], plugins[0], "test");
        let upstreams = BTreeSet::from(["up".to_owned(), "secret".to_owned()]);
        Self {
            common,
            grpc: Grpc::new(Arc::new(upstreams)),
            plugins,
        }
    }

    pub(crate) fn enter(&mut self, plugin: usize) {
        self.common.scope = CallScope::new(self.plugins[plugin], self.plugins[plugin], "test");
    }

    pub(crate) fn dispatch(&mut self) -> u32 {
        let message = Bytes::from("request");
        self.grpc
            .dispatch_call(&mut self.common, TARGET, message, None)
            .unwrap()
    }

    pub(crate) fn open(&mut self) -> u32 {
        self.grpc.open_stream(&mut self.common, TARGET).unwrap()
    }

    /// Makes callbacks until there is none to make; each returns `action`.
    pub(crate) fn deliver_all(&mut self, id: u32, action: Action) -> Vec<Part> {
        let mut made = Vec::new();
        while let Some(part) = self.next(id) {
            made.push(part);
            self.answered(id, action);
        }
        made
    }

    pub(crate) fn next(&mut self, id: u32) -> Option<Part> {
        let delivery = self.grpc.next_delivery(&mut self.common, id)?;
        assert_eq!(delivery.plugin_id, self.plugins[0]);
        Some(delivery.part)
    }

    pub(crate) fn answered(&mut self, id: u32, action: Action) -> bool {
        self.grpc.answered(&mut self.common, id, Ok(action))
    }

    pub(crate) fn effects(&mut self) -> Vec<String> {
        let effects = self.grpc.take_effects().into_iter();
        effects.map(|effect| name(&effect)).collect()
    }

    pub(crate) fn is_alive(&self, id: u32) -> bool {
        self.common.callouts.owner(id).is_some()
    }

    pub(crate) fn text(&mut self, id: u32) -> Result<String, Status> {
        let buffer = self.common.buffer(id, BufferType::GrpcMessage)?;
        let mut text = Vec::new();
        buffer.each(0, usize::MAX, |piece| {
            text.extend_from_slice(piece);
            Ok::<_, Status>(())
        })?;
        Ok(String::from_utf8(text).unwrap())
    }

    pub(crate) fn map(&mut self, id: u32, map: MapType) -> Result<Vec<(String, String)>, Status> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let pairs = self.common.map(id, map)?.iter();
        Ok(pairs.map(|(key, value)| (text(key), text(value))).collect())
    }
}

pub(crate) fn name(effect: &Effect) -> String {
    match effect {
        Effect::Open { callout_id, .. } => format!("open {callout_id}"),
        Effect::Send {
            callout_id,
            message,
            end_of_stream,
        } => format!(
            "send {callout_id} {:?}{}",
            message.as_ref().map(|message| String::from_utf8_lossy(message)),
            if *end_of_stream { " end" } else { "" }
        ),
        Effect::Resume { callout_id } => format!("resume {callout_id}"),
        Effect::Cancel { callout_id } => format!("cancel {callout_id}"),
    }
}

pub(crate) fn metadata(pairs: &[(&str, &str)]) -> ByteMap {
    pairs.iter().copied().collect()
}

pub(crate) fn message(text: &'static str) -> Event {
    Event::Message(Bytes::from(text))
}

pub(crate) fn end(code: u32, trailing_metadata: Option<ByteMap>) -> Event {
    Event::End {
        status: CalloutStatus {
            code,
            message: Bytes::from("why"),
        },
        trailing_metadata,
    }
}
