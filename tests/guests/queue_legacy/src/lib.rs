//! Puts requests into a queue, or takes them out (Proxy-Wasm ABI 0.2.1).
//!
//! With the configuration `produce NAME` it puts the path of each request into the queue, and the response header `x-enqueued` tells how
//! that went. With `consume NAME` it takes the items out, logs each and counts them in the metric `items`. Both have to be of the same
//! VM id.

use std::rc::Rc;

use log::{error, info};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Worker { queue: None, items: 0 }) });
}}

struct Worker {
    /// The queue to put requests into; none for a consumer.
    queue: Option<Rc<str>>,
    /// The metric of what is taken out.
    items: u32,
}

impl Context for Worker {}

impl RootContext for Worker {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let text = String::from_utf8_lossy(&configuration);
        match text.split_once(' ') {
            Some(("produce", name)) => self.queue = Some(Rc::from(name)),
            Some(("consume", name)) => {
                self.register_shared_queue(name);
                match hostcalls::define_metric(MetricType::Counter, "items") {
                    Ok(items) => self.items = items,
                    Err(status) => {
                        error!("the metric: {status:?}");
                        return false;
                    }
                }
            }
            _ => {
                error!("the configuration {text:?} is neither `produce NAME` nor `consume NAME`");
                return false;
            }
        }
        true
    }

    fn on_queue_ready(&mut self, queue_id: u32) {
        loop {
            match self.dequeue_shared_queue(queue_id) {
                Ok(Some(item)) => {
                    info!("took {}", String::from_utf8_lossy(&item));
                    if let Err(status) = hostcalls::increment_metric(self.items, 1) {
                        error!("the metric: {status:?}");
                    }
                }
                Ok(None) => return,
                Err(status) => return error!("the queue: {status:?}"),
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request {
            queue: self.queue.clone(),
            enqueued: None,
        }))
    }
}

struct Request {
    queue: Option<Rc<str>>,
    enqueued: Option<String>,
}

impl Request {
    fn enqueue(&self, queue: &str) -> String {
        let vm_id = self.get_property(vec!["plugin_vm_id"]).unwrap_or_default();
        let Some(id) = self.resolve_shared_queue(&String::from_utf8_lossy(&vm_id), queue) else {
            return "not_found".to_owned();
        };
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        match self.enqueue_shared_queue(id, Some(&path)) {
            Ok(()) => "ok".to_owned(),
            Err(status) => format!("{status:?}"),
        }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.enqueued = self.queue.as_deref().map(|queue| self.enqueue(queue));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        if let Some(enqueued) = &self.enqueued {
            self.set_http_response_header("x-enqueued", Some(enqueued));
        }
        Action::Continue
    }
}
