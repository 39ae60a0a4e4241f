//! Turns each line `name: value` of its configuration into a response header (Proxy-Wasm component ABI).

use std::rc::Rc;

use proxywasm_sdk::{
    Action, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Result, Status, plugin,
};

plugin!(Configuration: http(response_headers));

type Header = (String, Vec<u8>);

struct Configuration {
    headers: Rc<[Header]>,
}

/// Reads one line; `None` if it is none of `name: value`.
fn parse(line: &[u8]) -> Option<Header> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) {
        return None;
    }
    let name = String::from_utf8(name.to_ascii_lowercase()).ok()?;
    Some((name, value.strip_prefix(b":")?.trim_ascii().to_vec()))
}

impl Plugin for Configuration {
    fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
        let mut headers = Vec::new();
        for (index, line) in configuration.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            headers.push(parse(line).ok_or_else(|| {
                let line = String::from_utf8_lossy(line);
                format!(
                    "line {} of the configuration, {line:?}, is not `name: value`",
                    index + 1
                )
            })?);
        }
        if headers.is_empty() {
            headers.push(("x-configuration".to_owned(), b"empty".to_vec()));
        }
        Ok(Self {
            headers: headers.into(),
        })
    }
}

impl HttpPlugin for Configuration {
    type Context = Answer;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Answer {
        Answer {
            headers: self.headers.clone(),
        }
    }
}

struct Answer {
    headers: Rc<[Header]>,
}

/// A property, if it has a value.
fn property(stream: &HttpStream, path: &[&str]) -> Result<Option<Vec<u8>>> {
    match stream.property(path) {
        Ok(value) => Ok(Some(value)),
        Err(Status::NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

impl HttpContext for Answer {
    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        let plugin_name = property(stream, &["plugin_name"])?;
        let path = property(stream, &["request", "path"])?;
        let mut edit = stream.response_headers().edit();
        for (name, value) in self.headers.iter() {
            edit = edit.add(name, value);
        }
        if let Some(plugin_name) = &plugin_name {
            edit = edit.add("x-plugin-name", plugin_name);
        }
        if let Some(path) = &path {
            edit = edit.add("x-property-path", path);
        }
        edit.apply()?;
        Ok(Action::Forward)
    }
}
