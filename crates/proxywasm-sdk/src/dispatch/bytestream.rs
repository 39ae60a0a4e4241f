//! Callbacks of TCP streams.

use super::{BytestreamKind, Dispatcher, HttpKind};
use crate::action::Action;
use crate::bytestream::{Bytestream, BytestreamContext};
use crate::callouts;
use crate::plugin::Plugin;
use crate::raw::{self, CloseSource, Size};
use crate::status::{Result, Status};

impl<P: Plugin, H: HttpKind<P>, B: BytestreamKind<P>> Dispatcher<P, H, B> {
    /// `on_new_connection`.
    pub fn new_connection(&self, id: u32) -> raw::Action {
        self.bytestream(id, "new connection", |context, stream| {
            context.on_new_connection(stream)
        })
    }

    /// `on_downstream_data`.
    pub fn downstream_data(&self, id: u32, data_size: Size, end_of_stream: u32) -> raw::Action {
        self.bytestream(id, "downstream data", |context, stream| {
            context.on_downstream_data(stream, data_size as usize, end_of_stream != 0)
        })
    }

    /// `on_downstream_close`.
    pub fn downstream_close(&self, id: u32, source: CloseSource) {
        self.closed(id, |context, stream| {
            context.on_downstream_close(stream, source.into())
        });
    }

    /// `on_upstream_data`.
    pub fn upstream_data(&self, id: u32, data_size: Size, end_of_stream: u32) -> raw::Action {
        self.bytestream(id, "upstream data", |context, stream| {
            context.on_upstream_data(stream, data_size as usize, end_of_stream != 0)
        })
    }

    /// `on_upstream_close`.
    pub fn upstream_close(&self, id: u32, source: CloseSource) {
        self.closed(id, |context, stream| {
            context.on_upstream_close(stream, source.into())
        });
    }

    fn bytestream(
        &self,
        id: u32,
        callback: &str,
        call: impl FnOnce(&mut B::Context, &Bytestream) -> Result<Action>,
    ) -> raw::Action {
        callouts::enter(id);
        let action = match self.bytestreams.try_borrow_mut() {
            Ok(mut streams) => match streams.get_mut(id) {
                Some(context) => call(context, &Bytestream::new(id)),
                // Nobody has looked at this stream: it must not pass as if somebody had.
                None => Err(Status::BAD_ARGUMENT),
            },
            Err(_) => Err(Status::INVALID_OPERATION),
        };
        let action = action.unwrap_or_else(|status| {
            crate::error!("{callback}: {status}; the stream is closed");
            Action::Close
        });
        raw::Action(action as u32)
    }

    fn closed(&self, id: u32, call: impl FnOnce(&mut B::Context, &Bytestream)) {
        callouts::enter(id);
        if let Ok(mut streams) = self.bytestreams.try_borrow_mut()
            && let Some(context) = streams.get_mut(id)
        {
            call(context, &Bytestream::new(id));
        }
    }
}
