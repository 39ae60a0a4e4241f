//! Streams, and the calls of plugins.

use super::Difference::{Form, None as Same, Policy, Status};
use super::{Pair, pair};

pub(super) fn rows() -> Vec<Pair> {
    [streams(), callouts()].into_iter().flatten().collect()
}

fn streams() -> Vec<Pair> {
    vec![
        pair(
            "proxy_continue_stream",
            "in the callback that pauses",
            "resume_http_request ctx -> ok\nreturn pause",
            "proxy_continue_stream 0 -> ok\nreturn pause",
            Same,
        ),
        pair(
            "proxy_continue_request",
            "in the callback that pauses",
            "resume_http_request ctx -> ok\nreturn pause",
            "proxy_continue_request -> ok\nreturn pause",
            Same,
        ),
        pair(
            "proxy_continue_response",
            "in the callback that pauses",
            "drive rqh! rsh\n@on_http_response_headers\nresume_http_response ctx -> ok\nreturn pause",
            "drive rqh! rsh\n@proxy_on_response_headers\nproxy_continue_response -> ok\nreturn pause",
            Same,
        ),
        pair(
            "proxy_resume_downstream",
            "in the callback that pauses",
            "drive new down:abc\n@on_downstream_data\nresume_downstream ctx -> ok\nreturn pause",
            "drive new down:abc\n@proxy_on_downstream_data\nproxy_resume_downstream -> ok\nreturn pause",
            Same,
        ),
        pair(
            "proxy_resume_upstream",
            "in the callback that pauses",
            "drive new up:abc\n@on_upstream_data\nresume_upstream ctx -> ok\nreturn pause",
            "drive new up:abc\n@proxy_on_upstream_data\nproxy_resume_upstream -> ok\nreturn pause",
            Same,
        ),
        pair(
            "proxy_continue_stream",
            "where nothing is held",
            "drive rqh! rsh\n@on_http_response_headers\nresume_http_request ctx -> invalid_operation",
            "drive rqh! rsh\n@proxy_on_response_headers\nproxy_continue_stream 0 -> ok",
            Policy("resume_not_held"),
        ),
        pair(
            "proxy_continue_stream",
            "data of a byte stream",
            "drive new down:abc\n@on_downstream_data\nresume_downstream ctx -> ok\nreturn pause",
            "drive new down:abc\n@proxy_on_downstream_data\nproxy_continue_stream 2 -> ok\nreturn pause",
            Same,
        ),
        pair(
            "proxy_close_stream",
            "a request",
            "close_http_request ctx -> ok",
            "proxy_close_stream 0 -> ok",
            Same,
        ),
        pair(
            "proxy_close_stream",
            "twice",
            "close_http_request ctx -> ok\nclose_http_request ctx -> invalid_operation",
            "proxy_close_stream 0 -> ok\nproxy_close_stream 0 -> ok",
            Policy("close_ended"),
        ),
        pair(
            "proxy_close_stream",
            "a byte stream",
            "drive new down:abc\n@on_downstream_data\nclose_downstream ctx -> ok",
            "drive new down:abc\n@proxy_on_downstream_data\nproxy_close_stream 2 -> ok",
            Same,
        ),
        pair(
            "proxy_send_local_response",
            "in the request headers",
            "send_http_response ctx 403 none 'no' -1 -> ok",
            "proxy_send_local_response 403 none 'no' none -1 -> ok",
            Same,
        ),
        pair(
            "proxy_send_local_response",
            "twice",
            "send_http_response ctx 403 none none -1 -> ok\nsend_http_response ctx 404 none none -1 -> invalid_operation",
            "proxy_send_local_response 403 none none none -1 -> ok\nproxy_send_local_response 404 none none none -1 -> ok",
            Policy("second_response"),
        ),
        pair(
            "proxy_send_local_response",
            "after the response head is out",
            "drive rqh! rsh rsb:x\n@on_http_response_body\nsend_http_response ctx 403 none none -1 -> invalid_operation",
            "drive rqh! rsh rsb:x\n@proxy_on_response_body\nproxy_send_local_response 403 none none none -1 -> ok",
            Policy("late_response"),
        ),
        pair(
            "proxy_send_local_response",
            "an impossible status code",
            "send_http_response ctx 99 none none -1 -> bad_argument",
            "proxy_send_local_response 99 none none none -1 -> ok",
            Policy("invalid_status"),
        ),
        pair(
            "proxy_send_local_response",
            "headers that are no map",
            "send_http_response ctx 403 '\\01' none -1 -> bad_argument",
            "proxy_send_local_response 403 none none '\\01' -1 -> bad_argument",
            Same,
        ),
        pair(
            "proxy_done",
            "where nothing waits for it",
            "plugin_shutdown $first -> invalid_operation",
            "proxy_done -> not_found",
            Status,
        ),
        pair(
            "proxy_done",
            "what the plugin has put off",
            "drive rqh stop rqb:x\n@on_plugin_shutdown\nreturn 0\n@on_http_request_body\nplugin_shutdown $first -> ok",
            "drive rqh stop rqb:x\n@proxy_on_done\nreturn 0\n@proxy_on_request_body\nproxy_set_effective_context $first -> ok\nproxy_done -> ok",
            Same,
        ),
    ]
}

fn callouts() -> Vec<Pair> {
    vec![
        pair(
            "proxy_http_call",
            "a call",
            "dispatch_http_call 'service' '\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:methodGET:path/:authoritya' none none 1000 &c -> ok",
            "proxy_http_call 'service' '\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00' none none 1000 &c -> ok",
            Same,
        ),
        pair(
            "proxy_http_call",
            "an upstream that there is not",
            "dispatch_http_call 'nobody' '\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:methodGET:path/:authoritya' none none 1000 &c -> not_found",
            "proxy_http_call 'nobody' '\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00' none none 1000 &c -> bad_argument",
            Status,
        ),
        pair(
            "proxy_http_call",
            "headers without a method",
            "dispatch_http_call 'service' none none none 1000 &c -> bad_argument",
            "proxy_http_call 'service' none none none 1000 &c -> bad_argument",
            Same,
        ),
        pair(
            "proxy_grpc_call",
            "a call",
            "dispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok",
            "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok",
            Same,
        ),
        pair(
            "proxy_grpc_call",
            "an upstream that there is not",
            "dispatch_grpc_call 'nobody' 's.S' 'M' none 'message' 1000 &c -> not_found",
            "proxy_grpc_call 'nobody' 's.S' 'M' none 'message' 1000 &c -> parse_failure",
            Status,
        ),
        pair(
            "proxy_grpc_call",
            "more than there may be",
            "dispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\ndispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> unavailable",
            "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nproxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> internal_failure",
            Status,
        )
        .with(|setup| setup.config.limits.callouts = 1),
        pair(
            "proxy_grpc_stream",
            "a stream",
            "open_grpc_stream 'service' 's.S' 'M' none &c -> ok",
            "proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok",
            Same,
        ),
        pair(
            "proxy_grpc_send",
            "a message",
            "open_grpc_stream 'service' 's.S' 'M' none &c -> ok\nsend_grpc_stream_message $c 'one' 0 -> ok",
            "proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok\nproxy_grpc_send $c 'one' 0 -> ok",
            Same,
        ),
        pair(
            "proxy_grpc_send",
            "a message on a call",
            "dispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nsend_grpc_stream_message $c 'one' 0 -> bad_argument",
            "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nproxy_grpc_send $c 'one' 0 -> bad_argument",
            Same,
        ),
        pair(
            "proxy_grpc_cancel",
            "a call",
            "dispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nclose_grpc_call $c -> ok",
            "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nproxy_grpc_cancel $c -> ok",
            Same,
        ),
        pair(
            "proxy_grpc_cancel",
            "a call that is over",
            "dispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nclose_grpc_call $c -> ok\nclose_grpc_call $c -> bad_argument",
            "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nproxy_grpc_cancel $c -> ok\nproxy_grpc_cancel $c -> not_found",
            Status,
        ),
        pair(
            "proxy_grpc_close",
            "a call",
            "dispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nclose_grpc_call $c -> ok",
            "proxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\nproxy_grpc_close $c -> ok",
            Same,
        ),
        pair(
            "proxy_grpc_close",
            "a stream",
            "open_grpc_stream 'service' 's.S' 'M' none &c -> ok\nclose_grpc_stream $c -> ok",
            "proxy_grpc_stream 'service' 's.S' 'M' none &c -> ok\nproxy_grpc_close $c -> ok",
            Form("it ends the plugin's side by a message; closing is giving up"),
        ),
        pair(
            "proxy_get_status",
            "how a gRPC call ended",
            "drive rqh grpcend:7\ndispatch_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\n@on_grpc_call_response\ngrpc.get_callout_status $c &code out &size -> ok\ncheck $code 7\nexpect_out 'why'",
            "drive rqh grpcend:7\nproxy_grpc_call 'service' 's.S' 'M' none 'message' 1000 &c -> ok\n@proxy_on_grpc_close\nproxy_get_status &code &at &size -> ok\ncheck $code 7\nexpect_at $at 'why'",
            Same,
        ),
    ]
}
