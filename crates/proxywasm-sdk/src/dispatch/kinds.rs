//! Which kinds of streams a plugin handles, as types: a plugin that handles none of a kind need not implement its traits.

use crate::bytestream::{Bytestream, BytestreamContext, BytestreamPlugin};
use crate::http::{HttpContext, HttpPlugin};
use crate::plugin::Plugin;
use crate::stream::HttpStream;

/// How a plugin handles HTTP streams.
pub trait HttpKind<P> {
    /// What handles one.
    type Context: HttpContext;

    /// Makes what handles the next one, if the plugin handles any.
    fn create(plugin: &mut P, stream: &HttpStream) -> Option<Self::Context>;
}

/// How a plugin handles TCP streams.
pub trait BytestreamKind<P> {
    /// What handles one.
    type Context: BytestreamContext;

    /// Makes what handles the next one, if the plugin handles any.
    fn create(plugin: &mut P, stream: &Bytestream) -> Option<Self::Context>;
}

/// It implements [`HttpPlugin`].
pub struct Http;

/// It implements [`BytestreamPlugin`].
pub struct Bytestreams;

/// It handles none.
pub struct NoStreams;

/// The context of streams that there are none of.
pub enum Never {}

impl<P: HttpPlugin> HttpKind<P> for Http {
    type Context = P::Context;

    fn create(plugin: &mut P, stream: &HttpStream) -> Option<Self::Context> {
        Some(plugin.create_http_context(stream))
    }
}

impl<P: BytestreamPlugin> BytestreamKind<P> for Bytestreams {
    type Context = P::Context;

    fn create(plugin: &mut P, stream: &Bytestream) -> Option<Self::Context> {
        Some(plugin.create_bytestream_context(stream))
    }
}

impl<P: Plugin> HttpKind<P> for NoStreams {
    type Context = Never;

    fn create(_: &mut P, _: &HttpStream) -> Option<Never> {
        None
    }
}

impl<P: Plugin> BytestreamKind<P> for NoStreams {
    type Context = Never;

    fn create(_: &mut P, _: &Bytestream) -> Option<Never> {
        None
    }
}

impl HttpContext for Never {}

impl BytestreamContext for Never {}
