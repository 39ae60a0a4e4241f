//! A request and a response through a plugin, without a proxy: what an embedder writes.
//!
//! ```sh
//! cargo run --package proxywasm-host --example embed -- tests/guests/prebuilt/headers_component.wasm
//! ```

use anyhow::Context;
use http::{Request, Response};
use proxywasm_host::{
    Engine, EngineSettings, FilterChain, Host, MemorySink, Output, Plugin, PluginConfig, Services,
};
use std::sync::Arc;

fn main() -> anyhow::Result<()> {
    let path = std::env::args()
        .nth(1)
        .context("name the .wasm file of a plugin")?;
    let log = Arc::new(MemorySink::default());

    // Once for the process: what plugins reach, the engine and the chain, which all workers share.
    let services = Services::from(Arc::clone(&log));
    let engine = Engine::new(EngineSettings::default())?;
    let code = engine.load(&std::fs::read(&path).with_context(|| format!("cannot read {path}"))?)?;
    println!("{path}: {}", code.abi());
    let plugin = Plugin::new(&engine, code, PluginConfig::new("example"), &services)?;
    let chain = FilterChain::new(vec![plugin]);

    // Once for each worker.
    let mut host = Host::new(services);

    // For each request: hand over what was received, do what comes out.
    let stream = host.open(&chain, None);
    let request = Request::get("/hello").header("host", "example.test").body(())?;
    host.request_headers(stream, request.into_parts().0, true);
    while let Some(output) = host.next_output(stream) {
        match output {
            Output::RequestHeaders { head, .. } => {
                println!("to the upstream: {} {} {:?}", head.method, head.uri, head.headers);
                let response = Response::builder()
                    .status(200)
                    .header("server", "origin")
                    .body(())?;
                host.response_headers(stream, response.into_parts().0, false);
                host.response_body(stream, "hello\n".into(), true);
            }
            Output::ResponseHeaders { head, .. } => {
                println!("to the client: {} {:?}", head.status, head.headers)
            }
            Output::ResponseBody { data, .. } => println!("to the client: {data:?}"),
            other => println!("{other:?}"),
        }
    }
    host.finish(stream);
    log.take()
        .iter()
        .for_each(|(level, message)| println!("the plugin logged ({level:?}): {message}"));
    Ok(())
}
