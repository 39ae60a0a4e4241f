//! The semantics of wasi-bytestream: resume and close, and which action is legal where.

use wasi_common::stream::Reply;
use wasi_common::{Action, Common, Context, ContextType, Direction, Status};

/// The state of wasi-bytestream in one instance.
#[derive(Debug, Default)]
pub struct Bytestream {
    effects: Vec<Effect>,
}

/// What the host has to carry out after the callback has returned; it may concern any stream of the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// What a plugin holds of the data from one side goes on.
    Resume {
        /// The stream, as its plugin knows it.
        context_id: u32,
        /// Where the data comes from.
        side: Side,
    },
    /// The connection to one side is closed, after what the plugin has forwarded to it was written.
    Close {
        /// The stream, as its plugin knows it.
        context_id: u32,
        /// The connection.
        side: Side,
    },
}

/// One of the two connections of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// That of the client.
    Downstream,
    /// That to the server.
    Upstream,
}

/// A callback of a TCP stream, in the order of a stream's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// A client has connected.
    NewConnection,
    /// Data has come from the downstream.
    DownstreamData,
    /// Data has come from the upstream.
    UpstreamData,
    /// The connection to the upstream is closed.
    UpstreamClose,
    /// The connection to the downstream is closed.
    DownstreamClose,
}

// === impl Bytestream ===

impl Bytestream {
    /// Lets go on what a plugin holds of the data from one side.
    ///
    /// # Errors
    /// As [`Common::resume`]; what came from a side that is closed cannot be resumed either.
    pub fn resume(&mut self, common: &mut Common, context_id: u32, side: Side) -> Result<(), Status> {
        let context = own_stream(common, context_id)?;
        let not_held = common.own_plugin(context_id)?.settings.policy.resume_not_held;
        if is_closed(common, context, side) {
            return not_held.answer();
        }
        if common.resume(context_id, ContextType::Bytestream, side.direction())? {
            self.effects.push(Effect::Resume { context_id, side });
        }
        Ok(())
    }

    /// Closes the connection to one side, after what the plugin has forwarded to it was written.
    ///
    /// # Errors
    /// `bad_argument` and `not_allowed` for the id, `invalid_operation` for a context of another kind and for a side that is
    /// closed, or that the plugin has closed (which the older ABIs ignore). What another plugin of the stream has closed is closed
    /// when what this one was given has gone on, so this one still may resume, or close too.
    pub fn close(&mut self, common: &mut Common, context_id: u32, side: Side) -> Result<(), Status> {
        let context = own_stream(common, context_id)?;
        let ended = common.own_plugin(context_id)?.settings.policy.close_ended;
        if is_closed(common, context, side) {
            return ended.answer();
        }
        let stream = common.streams.get_mut(context.stream);
        let Some(stream) = stream.filter(|stream| stream.reply != Reply::Closed) else {
            return ended.answer();
        };
        if let Some(lane) = stream.lane(context.filter, side.direction()) {
            lane.closes = true;
        }
        self.effects.push(Effect::Close { context_id, side });
        Ok(())
    }

    /// Whether there is anything to carry out.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Takes what has to be carried out, in the order in which it was asked for.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

// === impl Effect ===

impl Effect {
    /// Follows a context that gets another id before the effect is carried out.
    pub fn rename_context(&mut self, old_id: u32, new_id: u32) {
        let (Self::Resume { context_id, .. } | Self::Close { context_id, .. }) = self;
        if *context_id == old_id {
            *context_id = new_id;
        }
    }
}

// === impl Side ===

impl Side {
    /// The direction of the data that comes from it.
    pub fn direction(self) -> Direction {
        match self {
            Self::Downstream => Direction::Request,
            Self::Upstream => Direction::Response,
        }
    }

    /// The one that data of a direction comes from.
    pub fn of(direction: Direction) -> Self {
        match direction {
            Direction::Request => Self::Downstream,
            Direction::Response => Self::Upstream,
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Downstream => Self::Upstream,
            Self::Upstream => Self::Downstream,
        }
    }
}

// === impl Phase ===

impl Phase {
    /// Every callback of a TCP stream, in the order of a stream's life.
    pub const ALL: [Self; 5] = [
        Self::NewConnection,
        Self::DownstreamData,
        Self::UpstreamData,
        Self::UpstreamClose,
        Self::DownstreamClose,
    ];

    /// That of data from a side.
    pub fn data(side: Side) -> Self {
        match side {
            Side::Downstream => Self::DownstreamData,
            Side::Upstream => Self::UpstreamData,
        }
    }

    /// That of the end of the connection to a side.
    pub fn close(side: Side) -> Self {
        match side {
            Side::Downstream => Self::DownstreamClose,
            Side::Upstream => Self::UpstreamClose,
        }
    }

    /// Its name in configuration: the name of its callback without `on_`.
    pub fn name(self) -> &'static str {
        self.callback().strip_prefix("on_").unwrap_or_default()
    }

    /// The name of its callback on the seed page.
    pub fn callback(self) -> &'static str {
        match self {
            Self::NewConnection => "on_new_connection",
            Self::DownstreamData => "on_downstream_data",
            Self::UpstreamData => "on_upstream_data",
            Self::UpstreamClose => "on_upstream_close",
            Self::DownstreamClose => "on_downstream_close",
        }
    }

    /// A bit of its own, for sets of phases.
    pub fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Whether a plugin may return `action` from a callback. Those of closing have none.
///
/// Of a new connection there is nothing yet that could end, and nothing more of it to wait for.
pub fn is_legal(phase: Phase, action: Action) -> bool {
    match phase {
        Phase::NewConnection => matches!(
            action,
            Action::Forward | Action::Done | Action::Pause | Action::Close
        ),
        Phase::DownstreamData | Phase::UpstreamData => true,
        Phase::UpstreamClose | Phase::DownstreamClose => false,
    }
}

/// Whether there is nothing to resume or to close on a side, as far as a plugin knows: the connection is closed, or the plugin has closed
/// it itself.
fn is_closed(common: &mut Common, context: Context, side: Side) -> bool {
    let Some(stream) = common.streams.get_mut(context.stream) else {
        return true;
    };
    let direction = side.direction();
    *stream.closed(direction)
        || stream
            .lane(context.filter, direction)
            .is_none_or(|lane| lane.closes)
}

/// A TCP stream of the plugin that is executing.
fn own_stream(common: &Common, context_id: u32) -> Result<Context, Status> {
    let context = common.own_context(context_id)?;
    if context.kind == ContextType::Bytestream {
        Ok(context)
    } else {
        Err(Status::InvalidOperation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use wasi_common::{AbiPolicy, CallScope, Flow, PluginSettings, StreamKey};

    /// A plugin with a TCP stream, and another one with an HTTP stream and a TCP stream.
    struct Table {
        common: Common,
        bytestream: Bytestream,
        stream: StreamKey,
        /// A TCP stream and an HTTP stream of the plugin that is executing, a TCP stream of another one, and none at all.
        ids: [u32; 4],
    }

    fn table(policy: AbiPolicy) -> Table {
        let mut common = Common::default();
        let settings = Arc::new(PluginSettings::new("p", policy));
        let mine = common.contexts.add_plugin(Arc::clone(&settings));
        let other = common.contexts.add_plugin(settings);
        let stream = common.streams.open(1);
        let kinds = [
            (mine, stream, ContextType::Bytestream),
            (mine, common.streams.open(1), ContextType::Http),
            (other, common.streams.open(1), ContextType::Bytestream),
        ];
        let [tcp, http, others] = kinds.map(|(plugin_id, stream, kind)| {
            let context = Context::new(plugin_id, stream, 0, kind);
            common.contexts.add_context(context)
        });
        common.scope = CallScope::new(mine, tcp, "test");
        Table {
            common,
            bytestream: Bytestream::default(),
            stream,
            ids: [tcp, http, others, 99],
        }
    }

    const BOTH: [Side; 2] = [Side::Downstream, Side::Upstream];

    #[test]
    fn whose_stream_it_is() {
        let expected = [
            Ok(()),
            Err(Status::InvalidOperation),
            Err(Status::NotAllowed),
            Err(Status::BadArgument),
        ];
        for policy in [AbiPolicy::COMPONENT, AbiPolicy::LEGACY] {
            for side in BOTH {
                let mut table = table(policy);
                let lane = table.common.streams.get_mut(table.stream).unwrap();
                lane.lane(0, side.direction()).unwrap().flow = Flow::Held;
                for (id, expected) in table.ids.into_iter().zip(expected) {
                    let (common, bytestream) = (&mut table.common, &mut table.bytestream);
                    assert_eq!(
                        bytestream.resume(common, id, side),
                        expected,
                        "resume {id} {side:?}"
                    );
                    assert_eq!(
                        bytestream.close(common, id, side),
                        expected,
                        "close {id} {side:?}"
                    );
                }
                let context_id = table.ids[0];
                assert_eq!(
                    table.bytestream.take_effects(),
                    [
                        Effect::Resume { context_id, side },
                        Effect::Close { context_id, side }
                    ],
                    "what failed has no effect"
                );
                assert!(!table.bytestream.has_effects());
            }
        }
    }

    #[test]
    fn resume() {
        let (calling, asked) = (Flow::Calling { resumed: false }, Flow::Calling { resumed: true });
        // Where the direction is, whether its side is closed; the answer of the component ABI, where it is then, the effects.
        let rows = [
            (Flow::Held, false, Ok(()), Flow::Resuming, 1),
            (Flow::Held, true, Err(Status::InvalidOperation), Flow::Held, 0),
            (
                Flow::Resuming,
                false,
                Err(Status::InvalidOperation),
                Flow::Resuming,
                0,
            ),
            (Flow::Open, false, Err(Status::InvalidOperation), Flow::Open, 0),
            (calling, false, Ok(()), asked, 0),
            (calling, true, Err(Status::InvalidOperation), calling, 0),
            (asked, false, Err(Status::InvalidOperation), asked, 0),
        ];
        for (before, closed, answer, after, effects) in rows {
            for side in BOTH {
                for policy in [AbiPolicy::COMPONENT, AbiPolicy::LEGACY] {
                    let mut table = table(policy);
                    let stream = table.common.streams.get_mut(table.stream).unwrap();
                    stream.lane(0, side.direction()).unwrap().flow = before;
                    *stream.closed(side.direction()) = closed;
                    let answered = table.bytestream.resume(&mut table.common, table.ids[0], side);
                    let expected = match policy {
                        AbiPolicy::COMPONENT => answer,
                        _ => Ok(()),
                    };
                    assert_eq!(answered, expected, "{before:?} {side:?} closed {closed}");
                    let stream = table.common.streams.get_mut(table.stream).unwrap();
                    assert_eq!(stream.lane(0, side.direction()).unwrap().flow, after);
                    assert_eq!(stream.lane(0, side.other().direction()).unwrap().flow, Flow::Open);
                    assert_eq!(table.bytestream.take_effects().len(), effects);
                }
            }
        }
    }

    #[test]
    fn close() {
        // Each side once; nothing of a stream that is over.
        for (policy, again) in [
            (AbiPolicy::COMPONENT, Err(Status::InvalidOperation)),
            (AbiPolicy::LEGACY, Ok(())),
        ] {
            let mut table = table(policy);
            let id = table.ids[0];
            for side in BOTH {
                let mut close = || table.bytestream.close(&mut table.common, id, side);
                assert_eq!((close(), close()), (Ok(()), again), "{side:?}");
            }
            assert_eq!(table.bytestream.take_effects().len(), 2);
            let stream = table.common.streams.get_mut(table.stream).unwrap();
            stream.filters[0]
                .lanes
                .iter_mut()
                .for_each(|lane| lane.closes = false);
            stream.reply = Reply::Closed;
            for side in BOTH {
                assert_eq!(table.bytestream.close(&mut table.common, id, side), again);
            }
            assert!(!table.bytestream.has_effects());
        }
    }

    #[test]
    fn phases() {
        let bits = Phase::ALL.iter().fold(0, |bits, phase| {
            assert_eq!(bits & phase.bit(), 0, "a bit of its own");
            bits | phase.bit()
        });
        assert_eq!(bits.count_ones(), 5);
        let names: Vec<&str> = Phase::ALL.iter().map(|phase| phase.name()).collect();
        assert_eq!(
            names,
            [
                "new_connection",
                "downstream_data",
                "upstream_data",
                "upstream_close",
                "downstream_close"
            ]
        );
        let legal = |phase| (0..7).filter(move |number| is_legal(phase, Action::try_from(*number).unwrap()));
        assert_eq!(legal(Phase::NewConnection).collect::<Vec<u32>>(), [0, 2, 3, 6]);
        for side in BOTH {
            assert_eq!(legal(Phase::data(side)).count(), 7);
            assert_eq!(legal(Phase::close(side)).count(), 0);
        }
    }
}
