//! Clients that ask all the time, and put up with nothing but what HTTP lets a server do to them.

use crate::proxy::Proxy;
use bytes::Bytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// All of them, and what they saw.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    stopped: AtomicBool,
    failures: Mutex<Vec<String>>,
    /// The values of `x-version`.
    versions: Mutex<BTreeSet<String>>,
}

/// How one of them asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One connection, as long as the proxy keeps it.
    KeepAlive,
    /// A connection for each request.
    NewConnections,
    Tls,
    TlsNewConnections,
    /// Over TLS.
    Http2,
}

/// Nobody's certificate is checked: here it is the proxy's, and changes.
#[derive(Debug)]
struct AnyCertificate;

trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// Why a request has no answer.
enum Failure {
    /// The connection, which had been used before, ended before a byte of an answer came: the proxy closed it while the request was on
    /// its way, and the client has to ask again (RFC 9112, section 9.3.1).
    Closed,
    Other(String),
}

// === impl Clients ===

impl Clients {
    /// Starts one, which returns how many requests it sent.
    pub(crate) fn start(self: &Arc<Self>, kind: Kind, proxy: &Proxy) -> JoinHandle<(Kind, usize)> {
        let clients = Arc::clone(self);
        let address = match kind {
            Kind::KeepAlive | Kind::NewConnections => proxy.plain,
            Kind::Tls | Kind::TlsNewConnections | Kind::Http2 => proxy.tls,
        };
        std::thread::spawn(move || {
            let count = match kind {
                Kind::Http2 => clients.ask_by_http2(address),
                _ => clients.ask_by_http1(kind, address),
            };
            (kind, count)
        })
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }

    /// How many versions of the plugin they met.
    pub(crate) fn versions(&self) -> usize {
        self.versions.lock().unwrap().len()
    }

    fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::SeqCst) && self.failures.lock().unwrap().len() < 20
    }

    fn failed(&self, kind: Kind, why: &str) {
        self.failures.lock().unwrap().push(format!("{kind:?}: {why}"));
    }

    fn saw(&self, version: &str) {
        let mut versions = self.versions.lock().unwrap();
        if !versions.contains(version) {
            versions.insert(version.to_owned());
        }
    }

    fn ask_by_http1(&self, kind: Kind, address: SocketAddr) -> usize {
        let mut count = 0;
        let mut kept: Option<BufReader<Box<dyn Stream>>> = None;
        while self.goes_on() {
            let reused = kept.is_some();
            let connection = kept.take().map_or_else(|| connect(kind, address), Ok);
            let answer = connection
                .map_err(|error| Failure::Other(format!("no connection: {error}")))
                .and_then(|mut connection| {
                    let (version, closes) = ask(&mut connection, kind)?;
                    kept = (!closes).then_some(connection);
                    Ok(version)
                });
            match answer {
                Ok(version) => self.saw(&version),
                Err(Failure::Closed) if reused => continue,
                Err(Failure::Closed) => self.failed(kind, "a new connection was closed"),
                Err(Failure::Other(why)) => self.failed(kind, &why),
            }
            if matches!(kind, Kind::NewConnections | Kind::TlsNewConnections) {
                kept = None;
            }
            count += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        count
    }

    fn ask_by_http2(&self, address: SocketAddr) -> usize {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut count = 0;
            while self.goes_on() {
                match self.ask_on_one_connection(address, &mut count).await {
                    Ok(()) => {}
                    Err(why) => self.failed(Kind::Http2, &why),
                }
            }
            count
        })
    }

    /// Asks until the proxy says goodbye.
    async fn ask_on_one_connection(&self, address: SocketAddr, count: &mut usize) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| format!("no connection: {error}");
        let socket = tokio::net::TcpStream::connect(address)
            .await
            .map_err(|error| text(&error))?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(configuration(&[b"h2"])));
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector
            .connect(name, socket)
            .await
            .map_err(|error| text(&error))?;
        let (mut sender, connection) = h2::client::handshake(stream)
            .await
            .map_err(|error| text(&error))?;
        let connection = tokio::spawn(connection);
        while self.goes_on() {
            // It is told of a goodbye here, and only asks what will be answered.
            sender = match sender.ready().await {
                Ok(sender) => sender,
                Err(error) if error.is_go_away() || error.is_io() => return Ok(()),
                Err(error) => return Err(format!("not ready: {error}")),
            };
            let request = http::Request::get("https://localhost/").body(()).unwrap();
            let answer = match sender.send_request(request, true) {
                Ok((answer, _)) => answer,
                Err(error) if error.is_go_away() => return Ok(()),
                Err(error) => return Err(format!("not sent: {error}")),
            };
            let response = match tokio::time::timeout(PATIENCE, answer).await {
                Ok(Ok(response)) => response,
                // The goodbye was on its way, and names the streams that nobody looked at.
                Ok(Err(error)) if error.is_go_away() => return Ok(()),
                Ok(Err(error)) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => return Ok(()),
                Ok(Err(error)) => return Err(format!("no response: {error}")),
                Err(_) => return Err("no response in time".to_owned()),
            };
            let version = response.headers().get("x-version");
            let version = version
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default();
            let status = response.status();
            let mut body = response.into_body();
            let mut all = Vec::new();
            while let Some(data) = body.data().await {
                let data: Bytes = data.map_err(|error| format!("the response broke off: {error}"))?;
                let _ = body.flow_control().release_capacity(data.len());
                all.extend_from_slice(&data);
            }
            if status != 200 || all != b"hello" || version.is_empty() {
                return Err(format!(
                    "{status}, {:?}, version {version:?}",
                    String::from_utf8_lossy(&all)
                ));
            }
            self.saw(&version);
            *count += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(sender);
        let _ = connection.await;
        Ok(())
    }
}

fn connect(kind: Kind, address: SocketAddr) -> io::Result<BufReader<Box<dyn Stream>>> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(BufReader::new(match kind {
        Kind::Tls | Kind::TlsNewConnections => {
            let name = ServerName::try_from("localhost").unwrap();
            let mut session =
                ClientConnection::new(Arc::new(configuration(&[])), name).map_err(io::Error::other)?;
            let mut socket = socket;
            while session.is_handshaking() {
                session.complete_io(&mut socket)?;
            }
            Box::new(StreamOwned::new(session, socket))
        }
        _ => Box::new(socket),
    }))
}

/// Sends a request. Returns the version that the answer tells, and whether the proxy closes the connection after it.
fn ask(connection: &mut BufReader<Box<dyn Stream>>, kind: Kind) -> Result<(String, bool), Failure> {
    let closes = matches!(kind, Kind::NewConnections | Kind::TlsNewConnections);
    let connection_header = if closes { "connection: close\r\n" } else { "" };
    let request = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{connection_header}\r\n");
    let sent = connection.get_mut().write_all(request.as_bytes());
    if sent.and_then(|()| connection.get_mut().flush()).is_err() {
        return Err(Failure::Closed);
    }
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match connection.read_line(&mut line) {
            Ok(0) if lines.is_empty() => return Err(Failure::Closed),
            Ok(0) => return Err(Failure::Other(format!("it ends in the head, {lines:?}"))),
            Ok(_) => {}
            Err(error) if lines.is_empty() && ended(&error) => return Err(Failure::Closed),
            Err(error) => return Err(Failure::Other(format!("{error}, {lines:?}"))),
        }
        if line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let header = |name: &str| {
        lines
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    let length = header("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    connection
        .read_exact(&mut body)
        .map_err(|error| Failure::Other(format!("the body: {error}")))?;
    match header("x-version") {
        Some(version) if lines[0].starts_with("HTTP/1.1 200") && body == b"hello" => Ok((
            version.to_owned(),
            header("connection").is_some_and(|value| value.contains("close")),
        )),
        _ => Err(Failure::Other(format!(
            "{lines:?}, {:?}",
            String::from_utf8_lossy(&body)
        ))),
    }
}

fn ended(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionAborted
    )
}

fn configuration(protocols: &[&[u8]]) -> ClientConfig {
    let mut configuration = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    configuration.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    configuration
}

// === impl AnyCertificate ===

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
