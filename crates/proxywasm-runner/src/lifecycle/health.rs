//! Asking a running proxy how it is, as the health checks of containers do.

use anyhow::Context;
use bytes::Bytes;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of an answer that are shown.
const MAX_ANSWER: usize = 4096;

/// Asks the admin address of a proxy. The exit status says whether the answer is good.
pub(crate) fn health(admin: SocketAddr, path: &str) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(admin, path)).await });
    let (status, text) = asked
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {PATIENCE:?}")))
        .with_context(|| format!("cannot ask http://{admin}{path}"))?;
    write!(std::io::stdout(), "{text}")?;
    Ok(match status {
        StatusCode::OK => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn ask(admin: SocketAddr, path: &str) -> anyhow::Result<(StatusCode, String)> {
    let socket = TcpStream::connect(admin).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    let request = Request::get(path)
        .header(HOST, admin.to_string())
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
        anyhow::Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::select! {
        answer = answer => answer,
        // It goes on to the end of the answer.
        Err(error) = connection => Err(error.into()),
    }
}
