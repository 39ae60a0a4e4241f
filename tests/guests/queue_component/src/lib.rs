//! Puts requests into a queue, or takes them out (Proxy-Wasm component ABI).
//!
//! With the configuration `produce NAME` it puts the path of each request into the queue, and the response header `x-enqueued` tells how
//! that went. With `consume NAME` it takes the items out, logs each and counts them in the metric `items`.

use std::rc::Rc;

use proxywasm_sdk::{
    Action, Counter, HttpContext, HttpPlugin, HttpStream, Plugin, PluginContext, Queue, Result, error, info,
    plugin,
};

plugin!(Worker: http(request_headers, response_headers), queue_ready);

struct Worker {
    queue: Rc<str>,
    /// Counts what is taken out; none for a producer.
    items: Option<Counter>,
}

impl Worker {
    fn consume(queue: &str) -> Result<Self> {
        Queue::open_or_create(queue)?;
        Ok(Self {
            queue: Rc::from(queue),
            items: Some(Counter::new("items")?),
        })
    }

    fn take(&self, queue: Queue) -> Result<()> {
        while let Some(item) = queue.dequeue()? {
            info!("took {}", String::from_utf8_lossy(&item));
            if let Some(items) = &self.items {
                items.increment(1)?;
            }
        }
        Ok(())
    }
}

impl Plugin for Worker {
    fn on_start(_plugin: &PluginContext, configuration: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(configuration);
        match text.split_once(' ') {
            Some(("produce", name)) => Ok(Self {
                queue: Rc::from(name),
                items: None,
            }),
            Some(("consume", name)) => {
                Self::consume(name).map_err(|status| format!("the queue {name}: {status}"))
            }
            _ => Err(format!(
                "the configuration {text:?} is neither `produce NAME` nor `consume NAME`"
            )),
        }
    }

    fn on_queue_ready(&mut self, _plugin: &PluginContext, queue: Queue) {
        if let Err(status) = self.take(queue) {
            error!("the queue {}: {status}", self.queue);
        }
    }
}

impl HttpPlugin for Worker {
    type Context = Request;

    fn create_http_context(&mut self, _stream: &HttpStream) -> Request {
        let produces = self.items.is_none();
        Request {
            queue: produces.then(|| Rc::clone(&self.queue)),
            enqueued: None,
        }
    }
}

struct Request {
    /// The queue to put the request into; none for a consumer.
    queue: Option<Rc<str>>,
    enqueued: Option<Result<()>>,
}

impl HttpContext for Request {
    fn on_request_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        if let Some(queue) = &self.queue {
            let path = stream.request_headers().get(":path")?.unwrap_or_default();
            // Opening is cheap, and finds a queue that was not there before.
            self.enqueued = Some(Queue::open(queue).and_then(|queue| queue.enqueue(&path)));
        }
        Ok(Action::Forward)
    }

    fn on_response_headers(&mut self, stream: &HttpStream, _: usize, _: bool) -> Result<Action> {
        if let Some(enqueued) = self.enqueued {
            let text = match enqueued {
                Ok(()) => "ok".to_owned(),
                Err(status) => status.to_string(),
            };
            stream.response_headers().set("x-enqueued", &text)?;
        }
        Ok(Action::Forward)
    }
}
