//! The semantics of wasi-common: buffers, maps and properties, by explicit context id.

mod properties;

use crate::buffer::Buffer;
use crate::callout::{CalloutKind, CalloutStatus, CalloutTable, CustomParameters};
use crate::context::{Context, ContextTable, Plugin, PluginSettings};
use crate::limits::MapLimits;
use crate::map::ByteMap;
use crate::property::PropertySource;
use crate::scope::CallScope;
use crate::stream::{Access, Direction, Flow, Lane, Piece, Reply, StreamTable};
use crate::{BufferType, ContextType, MapType, Status};
use bytes::Bytes;
use std::sync::Arc;

/// The state that all components of one instance share.
#[derive(Default)]
pub struct Common {
    /// What the guest was entered for.
    pub scope: CallScope,
    /// The plugins and contexts of the instance.
    pub contexts: ContextTable,
    /// The streams of the worker, lent to the instance while it runs.
    pub streams: StreamTable,
    /// The calls that plugins of the instance have made.
    pub callouts: CalloutTable,
    /// What the custom callback that is running was called with.
    pub custom_parameters: Option<CustomParameters>,
    /// Properties that are the same for all plugins and streams, as those of `node`.
    pub process_properties: Option<Arc<dyn PropertySource + Sync>>,
}

/// A buffer to read.
#[derive(Debug, Clone, Copy)]
pub enum BufferRef<'a> {
    /// One block.
    Block(&'a [u8]),
    /// A body in pieces.
    Body(&'a Buffer),
}

/// A change of a map: first every pair of the keys to remove goes, then the new pairs come, or nothing happens at all.
#[derive(Debug, Clone, Copy)]
pub struct MapChange<'a> {
    /// Keys; `*` is every regular header and `:*` every pseudo-header.
    pub remove: &'a [&'a [u8]],
    /// Pairs to append.
    pub add: &'a [(&'a [u8], &'a [u8])],
}

/// The key that stands for every regular header.
pub const ALL_REGULAR: &[u8] = b"*";
/// The key that stands for every pseudo-header.
pub const ALL_PSEUDO: &[u8] = b":*";

// === impl Common ===

impl Common {
    /// The context `context_id` of the plugin that is executing.
    ///
    /// # Errors
    /// `bad_argument` for an id that is no stream's, `not_allowed` for one of another plugin.
    pub fn own_context(&self, context_id: u32) -> Result<Context, Status> {
        match self.contexts.context(context_id) {
            Some(context) if context.plugin_id == self.scope.plugin_id => Ok(*context),
            Some(_) => Err(Status::NotAllowed),
            None => Err(Status::BadArgument),
        }
    }

    /// The plugin that is executing, named by its own id or by that of one of its streams.
    ///
    /// # Errors
    /// As [`Common::own_context`].
    pub fn own_plugin(&self, id: u32) -> Result<&Plugin, Status> {
        let plugin_id = self.contexts.context(id).map_or(id, |context| context.plugin_id);
        let plugin = self.contexts.plugin(plugin_id).ok_or(Status::BadArgument)?;
        if plugin_id == self.scope.plugin_id {
            Ok(plugin)
        } else {
            Err(Status::NotAllowed)
        }
    }

    /// The settings of the plugin that is executing, if one is.
    pub fn current_settings(&self) -> Option<&Arc<PluginSettings>> {
        Some(&self.contexts.plugin(self.scope.plugin_id)?.settings)
    }

    /// A buffer to read.
    ///
    /// # Errors
    /// `bad_argument` for an unknown context or callout, `not_allowed` for another plugin's, `invalid_operation` where the
    /// context is of another kind or the buffer has not come to this plugin.
    pub fn buffer(&self, context_id: u32, buffer: BufferType) -> Result<BufferRef<'_>, Status> {
        if buffer == BufferType::PluginConfiguration {
            return Ok(BufferRef::Block(
                &self.own_plugin(context_id)?.settings.configuration,
            ));
        }
        let Some((kind, direction)) = buffer_place(buffer) else {
            return self.callout_buffer(context_id, buffer);
        };
        let context = self.own_context(context_id)?;
        let lane = self
            .streams
            .get(context.stream)
            .and_then(|stream| stream.filters.get(context.filter)?.lanes.get(direction as usize));
        match lane {
            Some(lane) if context.kind == kind && lane.body_access >= Access::Read => {
                Ok(BufferRef::Body(&lane.body))
            }
            _ => Err(Status::InvalidOperation),
        }
    }

    /// Replaces a part of a buffer; see [`Buffer::splice`] for what `start` and `size` mean.
    ///
    /// # Errors
    /// As [`Common::buffer`]; also `invalid_operation` where the buffer cannot be changed (any more), and `unavailable` where it
    /// would grow beyond the plugin's bound.
    pub fn splice_buffer(
        &mut self,
        context_id: u32,
        buffer: BufferType,
        start: u32,
        size: u32,
        content: Bytes,
    ) -> Result<(), Status> {
        if buffer == BufferType::PluginConfiguration {
            self.own_plugin(context_id)?;
            return Err(Status::InvalidOperation);
        }
        let Some((kind, direction)) = buffer_place(buffer) else {
            self.callout_buffer(context_id, buffer)?;
            return Err(Status::InvalidOperation);
        };
        let context = self.own_context(context_id)?;
        let bound = self.own_plugin(context_id)?.settings.limits.written_body_bytes;
        if context.kind != kind {
            return Err(Status::InvalidOperation);
        }
        let lane = self.lane(context, direction).ok_or(Status::InvalidOperation)?;
        if lane.body_access != Access::Write {
            return Err(Status::InvalidOperation);
        }
        let (start, size) = (start as usize, size as usize);
        let kept = lane.body.len() - lane.body.range_len(start, size);
        if kept.saturating_add(content.len()) > bound {
            return Err(Status::Unavailable);
        }
        lane.body.splice(start, size, content);
        lane.body_written = true;
        Ok(())
    }

    /// A map to read.
    ///
    /// # Errors
    /// `bad_argument` for an unknown context or callout, `not_allowed` for another plugin's, `invalid_operation` where the
    /// context is of another kind or the map has not come to this plugin.
    pub fn map(&mut self, context_id: u32, map: MapType) -> Result<&ByteMap, Status> {
        let Some((direction, piece)) = map_place(map) else {
            return self.callouts.map(self.scope.plugin_id, context_id, map);
        };
        let context = self.http_context(context_id)?;
        let lane = self.lane(context, direction).ok_or(Status::InvalidOperation)?;
        if *lane.map_access(piece) == Access::None {
            return Err(Status::InvalidOperation);
        }
        let stream = self
            .streams
            .get_mut(context.stream)
            .ok_or(Status::InvalidOperation)?;
        Ok(stream.map(direction, piece).read())
    }

    /// Changes a map.
    ///
    /// # Errors
    /// As [`Common::map`]; also `invalid_operation` where the map has gone on, `bad_argument` for a name or value that no HTTP
    /// message may carry (an empty name, CR, LF, NUL and other control characters), `unavailable` where the map would grow beyond
    /// the plugin's bound. On an error nothing has changed.
    pub fn change_map(&mut self, context_id: u32, map: MapType, change: MapChange<'_>) -> Result<(), Status> {
        let Some((direction, piece)) = map_place(map) else {
            self.callouts.map(self.scope.plugin_id, context_id, map)?;
            return Err(Status::InvalidOperation);
        };
        let context = self.http_context(context_id)?;
        let plugin = self.contexts.plugin(context.plugin_id);
        let limits = plugin.ok_or(Status::BadArgument)?.settings.limits.map;
        let lane = self.lane(context, direction).ok_or(Status::InvalidOperation)?;
        if *lane.map_access(piece) != Access::Write {
            return Err(Status::InvalidOperation);
        }
        if !change
            .add
            .iter()
            .all(|(name, value)| is_valid_name(name) && is_valid_value(value))
        {
            return Err(Status::BadArgument);
        }
        let stream = self
            .streams
            .get_mut(context.stream)
            .ok_or(Status::InvalidOperation)?;
        let slot = stream.map(direction, piece);
        let added: usize = change
            .add
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let regular = |(name, _): &(&[u8], &[u8])| !name.starts_with(b":");
        let appends = change.remove.is_empty() && change.add.iter().all(regular);
        if appends && within(limits, slot.len() + change.add.len(), slot.known_bytes() + added) {
            slot.append(change.add.iter().copied());
            return Ok(());
        }
        let current = slot.read();
        if within(
            limits,
            current.len() + change.add.len(),
            current.byte_len() + added,
        ) {
            apply(slot.write(), change);
            return Ok(());
        }
        // What is removed may make the room that is needed; try it aside, so that a refusal changes nothing.
        let mut changed = current.clone();
        apply(&mut changed, change);
        if !within(limits, changed.len(), changed.byte_len()) {
            return Err(Status::Unavailable);
        }
        *slot.write() = changed;
        Ok(())
    }

    /// Asks that what a plugin holds of one direction goes on. Returns whether an effect has to carry that out: while a
    /// callback of that direction executes, the host sees it when the callback returns.
    ///
    /// # Errors
    /// `bad_argument` and `not_allowed` for the id, `invalid_operation` for a context of another kind and where nothing is held
    /// (which the older ABIs ignore).
    pub fn resume(
        &mut self,
        context_id: u32,
        kind: ContextType,
        direction: Direction,
    ) -> Result<bool, Status> {
        let context = self.own_context(context_id)?;
        let not_held = self.own_plugin(context_id)?.settings.policy.resume_not_held;
        if context.kind != kind {
            return Err(Status::InvalidOperation);
        }
        let lane = self.lane(context, direction).ok_or(Status::InvalidOperation)?;
        match lane.flow {
            Flow::Calling { resumed: false } => lane.flow = Flow::Calling { resumed: true },
            Flow::Held => {
                lane.flow = Flow::Resuming;
                return Ok(true);
            }
            Flow::Open | Flow::Resuming | Flow::Calling { resumed: true } => not_held.answer()?,
        }
        Ok(false)
    }

    /// Asks that a stream be closed. Returns whether an effect has to carry that out.
    ///
    /// # Errors
    /// `bad_argument` and `not_allowed` for the id, `invalid_operation` for a context of another kind and for a stream that has
    /// ended (which the older ABIs ignore).
    pub fn close(&mut self, context_id: u32, kind: ContextType) -> Result<bool, Status> {
        let context = self.own_context(context_id)?;
        let ended = self.own_plugin(context_id)?.settings.policy.close_ended;
        if context.kind != kind {
            return Err(Status::InvalidOperation);
        }
        match self.streams.get_mut(context.stream) {
            Some(stream) if stream.reply != Reply::Closed => {
                stream.reply = Reply::Closed;
                Ok(true)
            }
            _ => ended.answer().map(|()| false),
        }
    }

    /// How a callout of the plugin that is executing ended.
    ///
    /// # Errors
    /// `bad_argument` for an unknown callout or one of another interface, `not_allowed` for another plugin's, `invalid_operation` for
    /// one that has not ended.
    pub fn callout_status(
        &self,
        callout_id: u32,
        of_interface: impl Fn(CalloutKind) -> bool,
    ) -> Result<&CalloutStatus, Status> {
        let callout = self.callouts.get(self.scope.plugin_id, callout_id)?;
        if !of_interface(callout.kind) {
            return Err(Status::BadArgument);
        }
        callout.status.as_ref().ok_or(Status::InvalidOperation)
    }

    fn callout_buffer(&self, id: u32, buffer: BufferType) -> Result<BufferRef<'_>, Status> {
        if buffer != BufferType::CustomParameters {
            let body = self.callouts.buffer(self.scope.plugin_id, id, buffer)?;
            return Ok(BufferRef::Body(body));
        }
        match &self.custom_parameters {
            Some(parameters) if parameters.callback_id != id => Err(Status::BadArgument),
            Some(parameters) if parameters.plugin_id != self.scope.plugin_id => Err(Status::NotAllowed),
            Some(parameters) => Ok(BufferRef::Block(&parameters.block)),
            None => Err(Status::BadArgument),
        }
    }

    fn http_context(&self, context_id: u32) -> Result<Context, Status> {
        let context = self.own_context(context_id)?;
        if context.kind == ContextType::Http {
            Ok(context)
        } else {
            Err(Status::InvalidOperation)
        }
    }

    fn lane(&mut self, context: Context, direction: Direction) -> Option<&mut Lane> {
        self.streams
            .get_mut(context.stream)?
            .lane(context.filter, direction)
    }
}

// === impl BufferRef ===

impl<'a> BufferRef<'a> {
    /// How many bytes lie between `offset` and `offset + max`.
    pub fn range_len(self, offset: usize, max: usize) -> usize {
        match self {
            Self::Block(block) => block.len().saturating_sub(offset).min(max),
            Self::Body(body) => body.range_len(offset, max),
        }
    }

    /// Hands over the bytes between `offset` and `offset + max`, piece by piece.
    ///
    /// # Errors
    /// The first one of `each`, after which nothing more is handed over.
    #[inline]
    pub fn each<E>(
        self,
        offset: usize,
        max: usize,
        mut each: impl FnMut(&'a [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Block(block) => {
                let end = offset.saturating_add(max).min(block.len());
                each(block.get(offset.min(end)..end).unwrap_or_default())
            }
            Self::Body(body) => body.range(offset, max).try_for_each(each),
        }
    }
}

// === rules ===

/// Where a stream's buffer is; `None` for those of callouts and custom callbacks, which go by their own ids.
fn buffer_place(buffer: BufferType) -> Option<(ContextType, Direction)> {
    match buffer {
        BufferType::HttpRequestBody => Some((ContextType::Http, Direction::Request)),
        BufferType::HttpResponseBody => Some((ContextType::Http, Direction::Response)),
        BufferType::DownstreamData => Some((ContextType::Bytestream, Direction::Request)),
        BufferType::UpstreamData => Some((ContextType::Bytestream, Direction::Response)),
        BufferType::PluginConfiguration
        | BufferType::HttpCallResponseBody
        | BufferType::GrpcMessage
        | BufferType::CustomParameters => None,
    }
}

/// Where a stream's map is; see [`buffer_place`] for those of callouts.
fn map_place(map: MapType) -> Option<(Direction, Piece)> {
    match map {
        MapType::HttpRequestHeaders => Some((Direction::Request, Piece::Headers)),
        MapType::HttpRequestTrailers => Some((Direction::Request, Piece::Trailers)),
        MapType::HttpRequestMetadata => Some((Direction::Request, Piece::Metadata)),
        MapType::HttpResponseHeaders => Some((Direction::Response, Piece::Headers)),
        MapType::HttpResponseTrailers => Some((Direction::Response, Piece::Trailers)),
        MapType::HttpResponseMetadata => Some((Direction::Response, Piece::Metadata)),
        MapType::HttpCallResponseHeaders
        | MapType::HttpCallResponseTrailers
        | MapType::GrpcInitialMetadata
        | MapType::GrpcTrailingMetadata => None,
    }
}

fn within(limits: MapLimits, pairs: usize, bytes: usize) -> bool {
    pairs <= limits.pairs && bytes <= limits.bytes
}

fn apply(map: &mut ByteMap, change: MapChange<'_>) {
    for key in change.remove {
        match *key {
            ALL_REGULAR => map.remove_kind(false),
            ALL_PSEUDO => map.remove_kind(true),
            key => _ = map.remove(key),
        }
    }
    map.extend(change.add.iter().copied());
}

/// Whether a header may be called so: a token of RFC 9110 section 5.6.2, or one behind a colon.
#[inline]
pub fn is_valid_name(name: &[u8]) -> bool {
    let token = name.strip_prefix(b":").unwrap_or(name);
    !token.is_empty() && has_none(token, NO_TOKEN)
}

/// Whether a header may have this value: no control characters but the tab, RFC 9110 section 5.5. Empty values and bytes that
/// are not UTF-8 are fine.
#[inline]
pub fn is_valid_value(value: &[u8]) -> bool {
    has_none(value, NO_VALUE)
}

/// What a byte cannot be part of.
#[allow(
    clippy::indexing_slicing,
    reason = "a byte indexes 256 entries, when this is compiled"
)]
static CHARACTERS: [u8; 256] = {
    let (mut characters, mut byte) = ([0; 256], 0u8);
    loop {
        if !is_token(byte) {
            characters[byte as usize] |= NO_TOKEN;
        }
        if byte.is_ascii_control() && byte != b'\t' {
            characters[byte as usize] |= NO_VALUE;
        }
        if byte == u8::MAX {
            break characters;
        }
        byte += 1;
    }
};

const fn is_token(byte: u8) -> bool {
    let other = matches!(
        byte,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    );
    byte.is_ascii_alphanumeric() || other
}

const NO_TOKEN: u8 = 1;
const NO_VALUE: u8 = 2;

/// Every header that a plugin sets is looked at, mostly in vain; hence without a branch for each byte.
#[inline]
fn has_none(bytes: &[u8], kind: u8) -> bool {
    let kinds = bytes.iter().fold(0, |kinds, byte| {
        kinds | CHARACTERS.get(usize::from(*byte)).copied().unwrap_or(u8::MAX)
    });
    kinds & kind == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_valid_name(&[byte]), expected, "{byte}");
            assert_eq!(is_valid_name(&[b'a', byte, b'a']), expected, "{byte}");
            let expected = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
            assert_eq!(is_valid_value(&[byte]), expected, "{byte}");
            assert_eq!(is_valid_value(&[b'a', byte, b'a']), expected, "{byte}");
        }
        assert!(
            is_valid_name(b":path") && is_valid_name(b"X-y1") && !is_valid_name(b":") && !is_valid_name(b"")
        );
    }
}
