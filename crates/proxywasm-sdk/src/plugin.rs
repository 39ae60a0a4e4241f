//! What every plugin implements.

use crate::action::Action;
use crate::ffi::CustomCallback;
use crate::grpc::{GrpcCall, GrpcCallResponse, GrpcStream, GrpcStreamEvent};
use crate::grpc_status::GrpcFailure;
use crate::http_call::{CallFailure, HttpCall, HttpCallEvent, HttpCallResponse};
use crate::log::Level;
use crate::queue::Queue;
use crate::status::{Result, Status};
use crate::stream::PluginContext;
use crate::timer::Timer;

/// A plugin: what one configuration of the module is made into. One that handles streams implements
/// [`HttpPlugin`](crate::HttpPlugin) or [`BytestreamPlugin`](crate::BytestreamPlugin) as well.
///
/// But for the life of the plugin and the log level, a callback is only called if [`plugin!`](crate::plugin) exports it.
pub trait Plugin: Sized + 'static {
    /// Starts the plugin.
    ///
    /// # Errors
    /// Says why the configuration is refused: the text is logged, and the plugin is not used.
    fn on_start(plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String>;

    /// Finishes. False puts it off until [`PluginContext::complete_shutdown`], or until the host's patience
    /// ends.
    fn on_shutdown(&mut self, plugin: &PluginContext) -> bool {
        let _ = plugin;
        true
    }

    /// The host writes log lines of this level, and of higher ones, from now on. The macros of the log know it already.
    fn on_log_level_update(&mut self, plugin: &PluginContext, level: Level) {
        let _ = (plugin, level);
    }

    /// A timer has fired.
    fn on_timer(&mut self, plugin: &PluginContext, timer: Timer) {
        let _ = (plugin, timer);
    }

    /// Items are in a queue that the plugin opened with [`Queue::open_or_create`]. Another plugin may have taken them meanwhile: take
    /// items until there is none.
    fn on_queue_ready(&mut self, plugin: &PluginContext, queue: Queue) {
        let _ = (plugin, queue);
    }

    /// An HTTP call is answered, or has failed, that a callback of the plugin made, or one of a stream that is over.
    ///
    /// [`Action::Forward`] ends the call, [`Action::Pause`] keeps its response readable until [`HttpCall::resume`], others are not
    /// legal but [`Action::Close`]. Not called if the module exports `http_call_event`.
    ///
    /// # Errors
    /// End the call, with a line in the log.
    fn on_http_call_response(
        &mut self,
        plugin: &PluginContext,
        call: HttpCall,
        response: Result<HttpCallResponse, CallFailure>,
    ) -> Result<Action> {
        let _ = (plugin, call, response);
        Ok(Action::Forward)
    }

    /// The answer goes on to an HTTP call that a callback of the plugin made, or one of a stream that is over.
    ///
    /// [`Action::Pause`] stops reading until [`HttpCall::resume`], [`Action::Close`] cancels the call; the only other legal action is
    /// [`Action::Forward`].
    ///
    /// # Errors
    /// Cancel the call, with a line in the log.
    fn on_http_call_event(
        &mut self,
        plugin: &PluginContext,
        call: HttpCall,
        event: HttpCallEvent,
    ) -> Result<Action> {
        let _ = (plugin, call, event);
        Ok(Action::Forward)
    }

    /// A unary gRPC call is answered, or has failed, that a callback of the plugin made, or one of a stream that is over.
    ///
    /// [`Action::Forward`] ends the call, [`Action::Pause`] keeps its response readable until [`GrpcCall::close`], others are not legal
    /// but [`Action::Close`].
    ///
    /// # Errors
    /// End the call, with a line in the log.
    fn on_grpc_call_response(
        &mut self,
        plugin: &PluginContext,
        call: GrpcCall,
        response: Result<GrpcCallResponse, GrpcFailure>,
    ) -> Result<Action> {
        let _ = (plugin, call, response);
        Ok(Action::Forward)
    }

    /// Something happens on a gRPC stream that a callback of the plugin opened, or one of a stream that is over.
    ///
    /// [`Action::Pause`] stops reading until [`GrpcStream::resume`], [`Action::Close`] cancels the stream; the only other legal action
    /// is [`Action::Forward`].
    ///
    /// # Errors
    /// Cancel the stream, with a line in the log.
    fn on_grpc_stream_event(
        &mut self,
        plugin: &PluginContext,
        grpc: GrpcStream,
        event: GrpcStreamEvent,
    ) -> Result<Action> {
        let _ = (plugin, grpc, event);
        Ok(Action::Forward)
    }

    /// The embedder of the host calls the plugin: [`CustomCallback::parameters`] reads what it passes,
    /// [`CustomCallback::set_results`] sets what it gets back.
    ///
    /// # Errors
    /// Are what the embedder gets in place of results.
    fn on_custom_callback(&mut self, plugin: &PluginContext, callback: CustomCallback) -> Result<()> {
        let _ = (plugin, callback);
        Err(Status::UNIMPLEMENTED)
    }
}
