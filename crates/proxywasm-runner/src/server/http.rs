//! Connections of HTTP clients.

use super::HttpSlot;
use super::client_io::{ClientIo, Meter};
use super::drain::{Drain, Kind};
use super::ends;
use super::linger;
use super::options::HttpOptions;
use super::patience::{Overdue, Patience};
use super::preface;
use super::streams::{StreamExecutor, Streams};
use crate::driver::{self, Client, Observer};
use crate::figures::BadEnd;
use crate::properties::ConnectionProperties;
use crate::tls::HTTP_2;
use crate::trace;
use crate::transport::{FloodGuard, Stream};
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

/// What hyper sets aside for headers without asking for memory each time.
const HEADERS_WITHOUT_ALLOCATION: usize = 100;

/// What is set aside for the bytes of a connection of HTTP/1.1 at the least, once they come.
const BUFFER: usize = 64 << 10;
/// What a stream of HTTP/2 keeps of a response that its client has asked for and does not take.
const SEND_BUFFER: usize = 64 << 10;

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
    let meter = Meter::new();
    let under_way = drain.count(Kind::Http1);
    let streams = Streams::new(&meter, drain, None);
    let (requests, opened, ends) = (Rc::clone(&client), Rc::clone(&streams), Rc::clone(drain));
    let slot = Rc::clone(&listener);
    let service = service_fn(move |request| {
        let (listener, client, stream) = (Rc::clone(&slot), Rc::clone(&requests), opened.open());
        let ends = Rc::clone(&ends);
        async move {
            let listener = Rc::clone(&listener.borrow());
            let mut response = trace::serve(&listener, &client, request).await?;
            if ends.has_begun() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                let headers = response.headers_mut();
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, driver::Aborted>(response.map(|body| stream.keep(body)))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_buf_size(options.max_header_bytes.max(BUFFER))
        .max_header_size(options.max_header_bytes);
    if options.max_headers != HEADERS_WITHOUT_ALLOCATION {
        builder.max_headers(options.max_headers);
    }
    let mut patience = Patience::of(options);
    let served = async {
        let io = TokioIo::new(ClientIo::new(stream, None, Arc::clone(&meter)));
        let mut connection = pin!(builder.serve_connection(io, service).with_upgrades());
        let mut stops = false;
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => return Some(result),
                () = drain.closes_idle(), if !stops => stops = true,
                overdue = patience.run_out(&streams, &meter) => match overdue {
                    Overdue::Idle => return None,
                    Overdue::Stopped => {
                        observer(&listener).figures.bad_ends.add(BadEnd::Timeout);
                        return None;
                    }
                    Overdue::Old => patience.age = None,
                },
            }
            connection.as_mut().graceful_shutdown();
        }
    };
    let Some(result) = served.await else {
        return Ok(());
    };
    if let Err(error) = &result {
        ends::note(&observer(&listener), &client, &meter, error);
    }
    if let Some(stream) = meter.take_stream() {
        Box::pin(linger::close(stream)).await;
    }
    result?;
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
    let meter = Meter::new();
    let streams = Streams::new(&meter, drain, Some(Kind::Http2));
    let (requests, opened, slot) = (Rc::clone(&client), Rc::clone(&streams), Rc::clone(&listener));
    let service = service_fn(move |request| {
        let (listener, client, stream) = (Rc::clone(&slot), Rc::clone(&requests), opened.open());
        async move {
            let listener = Rc::clone(&listener.borrow());
            let response = trace::serve(&listener, &client, request).await?;
            Ok::<_, driver::Aborted>(response.map(|body| stream.keep(body)))
        }
    });
    let window = options.window_budget.take(options.connection_window);
    let header_bytes = u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(StreamExecutor(Rc::clone(&streams)));
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(header_bytes)
        .max_concurrent_streams(options.max_streams)
        .enable_connect_protocol()
        .initial_stream_window_size(options.stream_window.min(window.bytes))
        .initial_connection_window_size(window.bytes)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(options.ping_interval)
        .keep_alive_timeout(options.ping_timeout)
        .max_pending_accept_reset_streams(options.max_pending_resets)
        .max_local_error_reset_streams(options.max_error_resets);
    let mut patience = Patience {
        head: None,
        ..Patience::of(options)
    };
    let served = async {
        let guard = FloodGuard::of_client(options.max_idle_frames);
        let io = TokioIo::new(ClientIo::new(stream, Some(guard), Arc::clone(&meter)));
        let mut connection = pin!(builder.serve_connection(io, service));
        let (mut stops, mut told) = (false, false);
        loop {
            tokio::select! {
                biased;
                result = connection.as_mut() => return Some(result),
                () = drain.closes(&streams), if !stops => stops = true,
                overdue = patience.run_out(&streams, &meter) => match overdue {
                    Overdue::Stopped => {
                        observer(&listener).figures.bad_ends.add(BadEnd::Timeout);
                        return None;
                    }
                    Overdue::Idle if told => return None,
                    Overdue::Idle => {
                        told = true;
                        // A client that is there says that it has understood.
                        patience.idle = options.ping_timeout;
                        patience.begin = options.ping_timeout;
                        streams.touch();
                    }
                    Overdue::Old => patience.age = None,
                },
            }
            connection.as_mut().graceful_shutdown();
        }
    };
    let Some(result) = served.await else {
        return Ok(());
    };
    drop(window);
    if let Err(error) = &result {
        ends::note(&observer(&listener), &client, &meter, error);
    }
    if let Some(stream) = meter.take_stream() {
        Box::pin(linger::close(stream)).await;
    }
    result
}

/// Who notes what comes to a listener, as it is configured now.
fn observer(listener: &HttpSlot) -> Rc<Observer> {
    Rc::clone(&listener.borrow().observer)
}
