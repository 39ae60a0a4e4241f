//! Turns each line `name: value` of its configuration into a response header (Proxy-Wasm ABI 0.2.1).

use std::rc::Rc;

use log::error;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { headers: Rc::from([]) }) });
}}

type Header = (String, Vec<u8>);

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

struct Root {
    headers: Rc<[Header]>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let mut headers = Vec::new();
        for (index, line) in configuration.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Some(header) = parse(line) else {
                let number = index + 1;
                error!(
                    "line {number} of the configuration, {:?}, is not `name: value`",
                    String::from_utf8_lossy(line)
                );
                return false;
            };
            headers.push(header);
        }
        if headers.is_empty() {
            headers.push(("x-configuration".to_owned(), b"empty".to_vec()));
        }
        self.headers = Rc::from(headers);
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Configuration {
            headers: self.headers.clone(),
        }))
    }
}

struct Configuration {
    headers: Rc<[Header]>,
}

impl Context for Configuration {}

impl HttpContext for Configuration {
    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        for (name, value) in self.headers.iter() {
            self.add_http_response_header_bytes(name, value);
        }
        let properties = [
            ("x-plugin-name", vec!["plugin_name"]),
            ("x-property-path", vec!["request", "path"]),
        ];
        for (name, property) in properties {
            if let Some(value) = self.get_property(property) {
                self.add_http_response_header_bytes(name, &value);
            }
        }
        Action::Continue
    }
}
