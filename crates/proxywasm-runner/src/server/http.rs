//! Connections of HTTP clients.

use super::HttpSlot;
use super::drain::{Drain, Kind};
use super::idle::Streams;
use super::options::HttpOptions;
use super::preface;
use crate::driver::{self, Client};
use crate::properties::ConnectionProperties;
use crate::tls::HTTP_2;
use crate::trace;
use crate::transport::{LocalExecutor, Stream};
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::pin::pin;
use std::rc::Rc;

/// What hyper sets aside for headers without asking for memory each time.
const HEADERS_WITHOUT_ALLOCATION: usize = 100;

/// Serves a connection to its end.
pub(super) async fn serve(
    stream: Stream,
    properties: ConnectionProperties,
    listener: Rc<HttpSlot>,
    options: &HttpOptions,
    drain: &Rc<Drain>,
) -> Result<(), Box<dyn std::error::Error>> {
    let is_http2 = tokio::select! {
        biased;
        begun = speaks_http2(&stream, options) => begun?,
        () = drain.closes_idle() => return Ok(()),
    };
    if is_http2 {
        // The rarer one inside of a proxy, with the larger state.
        Box::pin(serve_http2(stream, properties, listener, options, drain)).await?;
    } else {
        serve_http1(stream, properties, listener, options, drain).await?;
    }
    Ok(())
}

/// What the client speaks: as agreed by ALPN, else as it begins.
async fn speaks_http2(stream: &Stream, options: &HttpOptions) -> io::Result<bool> {
    match stream {
        Stream::Tls(_) => Ok(stream.alpn() == Some(HTTP_2)),
        Stream::Plain(_) if !options.http2 => Ok(false),
        Stream::Plain(socket) => {
            let begun = tokio::time::timeout(options.head_timeout, preface::is_http2(socket));
            begun
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
    }
}

async fn serve_http1(
    stream: Stream,
    properties: ConnectionProperties,
    listener: Rc<HttpSlot>,
    options: &HttpOptions,
    drain: &Rc<Drain>,
) -> hyper::Result<()> {
    let client = Rc::new(Client::new(properties));
    let under_way = drain.count(Kind::Http1);
    let (requests, ends) = (Rc::clone(&client), Rc::clone(drain));
    let service = service_fn(move |request| {
        let (listener, client, ends) = (Rc::clone(&listener), Rc::clone(&requests), Rc::clone(&ends));
        async move {
            let listener = Rc::clone(&listener.borrow());
            let mut response = trace::serve(&listener, &client, request).await?;
            if ends.has_begun() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, driver::Aborted>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_header_size(options.max_header_bytes);
    if options.max_headers != HEADERS_WITHOUT_ALLOCATION {
        builder.max_headers(options.max_headers);
    }
    let connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let stopped = tokio::select! {
        biased;
        result = connection.as_mut() => Some(result),
        () = drain.closes_idle() => None,
    };
    match stopped {
        Some(result) => result?,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await?;
        }
    }
    drop(under_way);
    let _upgraded = drain.count(Kind::Upgraded);
    client.tunnel().await;
    Ok(())
}

async fn serve_http2(
    stream: Stream,
    properties: ConnectionProperties,
    listener: Rc<HttpSlot>,
    options: &HttpOptions,
    drain: &Rc<Drain>,
) -> hyper::Result<()> {
    let client = Rc::new(Client::new(properties));
    let streams = Streams::new(drain);
    let opened = Rc::clone(&streams);
    let service = service_fn(move |request| {
        let (listener, client, stream) = (Rc::clone(&listener), Rc::clone(&client), opened.open());
        async move {
            let listener = Rc::clone(&listener.borrow());
            let response = trace::serve(&listener, &client, request).await?;
            Ok::<_, driver::Aborted>(response.map(|body| stream.keep(body)))
        }
    });
    let header_bytes = u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_header_list_size(header_bytes)
        .max_concurrent_streams(options.max_streams)
        .initial_stream_window_size(options.stream_window)
        .initial_connection_window_size(options.connection_window)
        .keep_alive_interval(options.ping_interval)
        .keep_alive_timeout(options.ping_timeout)
        .max_pending_accept_reset_streams(options.max_pending_resets)
        .max_local_error_reset_streams(options.max_error_resets)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        result = connection.as_mut() => return result,
        () = drain.closes(&streams) => {}
        () = streams.idle(options.head_timeout) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A client that is there says that it has understood.
    streams.touch();
    tokio::select! {
        result = connection => result,
        () = streams.idle(options.ping_timeout) => Ok(()),
    }
}
