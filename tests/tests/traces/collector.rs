//! A collector, and what it gets.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use proxywasm_tests::harness::Origin;

/// A server that takes spans by OTLP over HTTP.
pub(crate) struct Collector(Origin);

// === impl Collector ===

impl Collector {
    pub(crate) fn start() -> Self {
        Self(Origin::fixed("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"))
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/v1/traces", self.0.address())
    }

    /// Waits for so many spans, in the order in which they ended.
    pub(crate) fn spans(&self, count: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        while spans.len() < count {
            let request = self.0.received();
            assert_eq!(request.start, "POST /v1/traces HTTP/1.1");
            assert_eq!(request.header("x-key").as_deref(), Some("secret"));
            assert_eq!(
                request.header("content-type").as_deref(),
                Some("application/x-protobuf")
            );
            let message = ExportTraceServiceRequest::decode(&request.body[..]).unwrap();
            for resource in message.resource_spans {
                let attributes = &resource.resource.as_ref().unwrap().attributes;
                assert_eq!(text(attributes, "service.name").as_deref(), Some("tested"));
                spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }

    /// Whether nothing came.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.received_now().next().is_none()
    }
}

/// The value of an attribute, as text.
pub(crate) fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(yes) => Some(yes.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
