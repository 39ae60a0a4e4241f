//! The callbacks of byte streams.

use crate::actions;
use crate::callbacks::{Callbacks, Optional, call};
use crate::view::LegacyView;
use bytes::Bytes;
use wasi_bytestream::{BytestreamCallbacks, CloseSource, Phase, Returned, Side};
use wasi_common::BufferType;
use wasi_common::guest::{CallbackTypeError, Exports, callback};
use wasmtime::{AsContextMut, StoreContextMut};

/// The callbacks of a byte stream.
pub(crate) struct Bytestream {
    new_connection: Optional<u32, u32>,
    downstream: Connection,
    upstream: Connection,
}

/// The callbacks of one of its connections.
struct Connection {
    data: Optional<(u32, u32, u32), u32>,
    close: Optional<(u32, u32), ()>,
    names: &'static Names,
}

/// The exports of one connection.
struct Names {
    data: &'static str,
    close: &'static str,
}

const ON_NEW_CONNECTION: &str = "proxy_on_new_connection";

const DOWNSTREAM: Names = Names {
    data: "proxy_on_downstream_data",
    close: "proxy_on_downstream_connection_close",
};

const UPSTREAM: Names = Names {
    data: "proxy_on_upstream_data",
    close: "proxy_on_upstream_connection_close",
};

impl<T: LegacyView + 'static> BytestreamCallbacks<T> for Callbacks {
    fn exports(&self, phase: Phase) -> bool {
        let bytestream = &self.bytestream;
        match phase {
            Phase::NewConnection => bytestream.new_connection.is_some(),
            Phase::DownstreamData => bytestream.downstream.data.is_some(),
            Phase::UpstreamData => bytestream.upstream.data.is_some(),
            Phase::UpstreamClose => bytestream.upstream.close.is_some(),
            Phase::DownstreamClose => bytestream.downstream.close.is_some(),
        }
    }

    fn new_connection(
        &self,
        mut store: StoreContextMut<'_, T>,
        context_id: u32,
    ) -> wasmtime::Result<Returned> {
        let callback = &self.bytestream.new_connection;
        let number = call(callback, &mut store, ON_NEW_CONNECTION, context_id, context_id)?;
        Ok(Ok(actions::new_connection(number.unwrap_or(0))))
    }

    fn data(
        &self,
        mut store: StoreContextMut<'_, T>,
        side: Side,
        context_id: u32,
        size: u32,
        end_of_stream: bool,
    ) -> wasmtime::Result<Returned> {
        let connection = self.bytestream.connection(side);
        let arguments = (context_id, size, u32::from(end_of_stream));
        let number = call(
            &connection.data,
            &mut store,
            connection.names.data,
            context_id,
            arguments,
        )?;
        let returned = actions::body(number.unwrap_or(0), end_of_stream);
        if returned.discard {
            let buffer = match side {
                Side::Downstream => BufferType::DownstreamData,
                Side::Upstream => BufferType::UpstreamData,
            };
            let common = store.data_mut().common();
            // It fails only where the buffer has gone in the meantime, and then there is nothing to drop.
            let _gone = common.splice_buffer(context_id, buffer, 0, u32::MAX, Bytes::new());
        }
        Ok(Ok(returned.action))
    }

    fn closed(
        &self,
        mut store: StoreContextMut<'_, T>,
        side: Side,
        context_id: u32,
        source: CloseSource,
    ) -> wasmtime::Result<()> {
        let connection = self.bytestream.connection(side);
        let source = match source {
            CloseSource::Unknown => 0,
            CloseSource::Local => 1,
            CloseSource::Remote => 2,
        };
        call(
            &connection.close,
            &mut store,
            connection.names.close,
            context_id,
            (context_id, source),
        )?;
        Ok(())
    }
}

// === impl Bytestream ===

impl Bytestream {
    /// Looks the callbacks up.
    pub(crate) fn load(
        mut store: impl AsContextMut,
        exports: Exports<'_>,
    ) -> Result<Self, CallbackTypeError> {
        let mut connection = |names: &'static Names| {
            Ok(Connection {
                data: callback(&mut store, exports, names.data)?,
                close: callback(&mut store, exports, names.close)?,
                names,
            })
        };
        let (downstream, upstream) = (connection(&DOWNSTREAM)?, connection(&UPSTREAM)?);
        Ok(Self {
            new_connection: callback(&mut store, exports, ON_NEW_CONNECTION)?,
            downstream,
            upstream,
        })
    }

    fn connection(&self, side: Side) -> &Connection {
        match side {
            Side::Downstream => &self.downstream,
            Side::Upstream => &self.upstream,
        }
    }
}
