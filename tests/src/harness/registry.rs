//! A registry of images, by the distribution specification of OCI, over HTTPS.

use super::{Authority, Origin, PATIENCE, Proxy, proxy, server_tls};
use crate::harness::wire::Message;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, write::GzEncoder};
use proxywasm_runner::Sha256;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A registry in this process, on `localhost`.
pub struct Registry {
    state: Arc<Mutex<State>>,
    server: Option<Proxy>,
    address: SocketAddr,
}

/// Who gets something from a registry.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everybody.
    #[default]
    Open,
    /// A user with a password, in each request.
    Basic(&'static str, &'static str),
    /// Who has a token of the registry's server of tokens, which everybody gets.
    AnyToken,
    /// The same, which a user with a password gets.
    UserToken(&'static str, &'static str),
    /// The same, which who has another token gets.
    RefreshToken(&'static str),
    /// Who has this token.
    Bearer(&'static str),
}

#[derive(Default)]
struct State {
    /// By path: type and content.
    content: HashMap<String, (String, Vec<u8>)>,
    access: Access,
    /// What was asked for, in its order.
    requests: Vec<String>,
    address: String,
}

/// What a token of the server of tokens is, behind the scope that it is for.
const TOKEN: &str = "token-for-";

// === impl Registry ===

impl Registry {
    /// An empty one, with a certificate of an authority.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(authority: &Authority) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let origin = Origin::start(move |request| shared.lock().unwrap().answer(request));
        let tls = server_tls(vec![authority.certificate(&["localhost"])]);
        let server = proxy().tls(tls).upstream(origin.address()).start();
        let address = server.address();
        state.lock().unwrap().address = format!("localhost:{}", address.port());
        Self {
            state,
            server: Some(server),
            address,
        }
    }

    /// How it is called, with a repository or more behind it.
    pub fn reference(&self, rest: &str) -> String {
        format!("localhost:{}/{rest}", self.address.port())
    }

    /// Puts an image there, with layers of these types, and returns its digest.
    ///
    /// # Panics
    /// Never.
    pub fn push(&self, repository: &str, tag: &str, config: &str, layers: &[(&str, Vec<u8>)]) -> String {
        let empty = self.blob(repository, config, b"{}");
        let layers: Vec<_> = layers
            .iter()
            .map(|(media_type, content)| self.blob(repository, media_type, content))
            .collect();
        let manifest = json!({ "schemaVersion": 2, "config": empty, "layers": layers });
        self.document(
            repository,
            tag,
            "application/vnd.oci.image.manifest.v1+json",
            &manifest,
        )
    }

    /// Puts a manifest or an index there, and returns its digest.
    pub fn document(&self, repository: &str, tag: &str, media_type: &str, document: &Value) -> String {
        let bytes = document.to_string().into_bytes();
        let digest = format!("sha256:{}", Sha256::of(&bytes));
        for name in [tag, &digest] {
            self.put(&format!("/v2/{repository}/manifests/{name}"), media_type, &bytes);
        }
        digest
    }

    /// Puts a blob there, and returns its descriptor.
    pub fn blob(&self, repository: &str, media_type: &str, content: &[u8]) -> Value {
        let digest = format!("sha256:{}", Sha256::of(content));
        self.put(
            &format!("/v2/{repository}/blobs/{digest}"),
            "application/octet-stream",
            content,
        );
        json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
    }

    /// Puts anything there, as a registry does that has a fault.
    ///
    /// # Panics
    /// Never.
    pub fn put(&self, path: &str, media_type: &str, content: &[u8]) {
        let entry = (media_type.to_owned(), content.to_vec());
        self.state.lock().unwrap().content.insert(path.to_owned(), entry);
    }

    /// Says who gets something from now on.
    ///
    /// # Panics
    /// Never.
    pub fn demand(&self, access: Access) {
        self.state.lock().unwrap().access = access;
    }

    /// What was asked for since the last time.
    ///
    /// # Panics
    /// Never.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// Goes away.
    ///
    /// # Panics
    /// It stays.
    pub fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shut_down();
        }
        let begun = Instant::now();
        while std::net::TcpStream::connect(self.address).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "it still listens");
        }
    }
}

// === impl State ===

impl State {
    fn answer(&mut self, request: &Message) -> Vec<u8> {
        let target = request.start.split(' ').nth(1).unwrap_or_default().to_owned();
        self.requests.push(target.clone());
        let shown = request.header("authorization").unwrap_or_default();
        if target.starts_with("/token") {
            return self.token(request, &target, &shown);
        }
        if !self.lets_in(&target, &shown) {
            let challenge = match self.access {
                Access::Basic(..) => r#"Basic realm="registry""#.to_owned(),
                _ => format!(r#"Bearer realm="https://{}/token",service="tests""#, self.address),
            };
            return response("401 Unauthorized", &[("www-authenticate", &challenge)], b"{}");
        }
        match self.content.get(&target) {
            Some((media_type, content)) => response("200 OK", &[("content-type", media_type)], content),
            None => response("404 Not Found", &[], b"{}"),
        }
    }

    fn lets_in(&self, target: &str, shown: &str) -> bool {
        match self.access {
            Access::Open => true,
            Access::Basic(user, password) => shown == basic(user, password),
            Access::Bearer(token) => shown == format!("Bearer {token}"),
            Access::AnyToken | Access::UserToken(..) | Access::RefreshToken(_) => {
                let repository = shown
                    .strip_prefix("Bearer ")
                    .and_then(|token| token.strip_prefix(TOKEN));
                repository.is_some_and(|repository| target.starts_with(&format!("/v2/{repository}/")))
            }
        }
    }

    fn token(&self, request: &Message, target: &str, shown: &str) -> Vec<u8> {
        let form = request.text();
        let pairs = target.split_once('?').map_or(form.as_str(), |(_, query)| query);
        let pair = |name: &str| {
            let mut pairs = pairs.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
        };
        let is_known = match self.access {
            Access::UserToken(user, password) => shown == basic(user, password),
            Access::RefreshToken(token) => {
                request.start.starts_with("POST") && pair("refresh_token") == Some(token)
            }
            _ => true,
        };
        let scope = pair("scope")
            .unwrap_or_default()
            .replace("%3A", ":")
            .replace("%2F", "/");
        let repository = scope
            .strip_prefix("repository:")
            .and_then(|scope| scope.strip_suffix(":pull"));
        match repository {
            Some(repository) if is_known && pair("service") == Some("tests") => {
                let token = json!({ "token": format!("{TOKEN}{repository}") });
                response("200 OK", &[], token.to_string().as_bytes())
            }
            _ => response("401 Unauthorized", &[], b"{}"),
        }
    }
}

/// An answer of HTTP/1.1.
///
/// # Panics
/// Never.
pub fn response(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        write!(bytes, "{name}: {value}\r\n").unwrap();
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// What a client says that has a user name and a password.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// An archive of files, packed by gzip.
///
/// # Panics
/// Never.
pub fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, *content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}
