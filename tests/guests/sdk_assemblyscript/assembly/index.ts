// One of the plugins that do the same with each SDK (docs/GUESTS.md): @solo-io/proxy-runtime, Proxy-Wasm ABI 0.2.0.
export * from "@solo-io/proxy-runtime/proxy";
import {
  BaseContext, Context, Counter, FilterDataStatusValues, FilterHeadersStatusValues, GrpcStatusValues, HeaderPair, Headers, LogLevelValues,
  RootContext, WasmResultValues, continue_request, log, registerRootContext, send_local_response, stream_context
} from "@solo-io/proxy-runtime";
import { BufferTypeValues, get_buffer_bytes, set_tick_period_milliseconds } from "@solo-io/proxy-runtime/runtime";
import { getSharedData, increment, replaceBody } from "./shared_data";

const CALL_TIMEOUT: u32 = 5000;

function pair(name: string, value: string): HeaderPair {
  return new HeaderPair(String.UTF8.encode(name), String.UTF8.encode(value));
}

function buffer(type: BufferTypeValues, size: u32): string {
  return size == 0 ? "" : String.UTF8.decode(get_buffer_bytes(type, 0, size));
}

function words(text: string): string[] {
  let words: string[] = [];
  let parts = text.split(" ");
  for (let i = 0; i < parts.length; i++) {
    let word = parts[i].trim();
    if (word.length > 0) {
      words.push(word);
    }
  }
  return words;
}

function isNumber(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 48 || text.charCodeAt(i) > 57) {
      return false;
    }
  }
  return text.length > 0 && text.length < 10;
}

function answer(status_code: u32, header: HeaderPair, body: string): FilterHeadersStatusValues {
  send_local_response(status_code, "", String.UTF8.encode(body), [header], GrpcStatusValues.InvalidCode);
  return FilterHeadersStatusValues.StopIteration;
}

class Plugin extends RootContext {
  name: string = "";
  upstream: string = "";
  seen: i32 = 0;
  requests: Counter | null = null;
  ticks: Counter | null = null;

  createContext(context_id: u32): Context {
    return new Request(context_id, this);
  }

  onConfigure(configuration_size: u32): bool {
    if (configuration_size > 0) {
      super.onConfigure(configuration_size);
    }
    let text = this.getConfiguration();
    let parts = words(text);
    if (parts.length != 3 || !isNumber(parts[1])) {
      log(LogLevelValues.error, "the configuration `" + text + "` is not `NAME MILLISECONDS UPSTREAM`");
      return false;
    }
    this.name = parts[0];
    this.upstream = parts[2];
    this.requests = new Counter("requests");
    this.ticks = new Counter("ticks");
    let period = U32.parseInt(parts[1]);
    if (period > 0) {
      set_tick_period_milliseconds(period);
    }
    log(LogLevelValues.info, "configured as " + this.name);
    return true;
  }

  onTick(): void {
    (this.ticks as Counter).increment(1);
    increment("ticks");
  }
}

class Request extends Context {
  plugin: Plugin;
  replaces_bodies: bool = false;
  count: string = "";

  constructor(context_id: u32, plugin: Plugin) {
    super(context_id, plugin);
    this.plugin = plugin;
  }

  onRequestHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    let plugin = this.plugin;
    let headers = stream_context.headers.request;
    plugin.seen++;
    (plugin.requests as Counter).increment(1);
    let pairs = headers.get_headers();
    let values = 0;
    for (let i = 0; i < pairs.length; i++) {
      if (String.UTF8.decode(pairs[i].key) == "x-value") {
        values++;
      }
    }
    headers.replace("x-values", values.toString());
    headers.add("x-sdk", plugin.name);
    headers.remove("x-remove-me");
    if (headers.get("x-replace-me") != "") {
      headers.replace("x-replace-me", "replaced");
    }
    if (headers.get("x-body") == "replace") {
      this.replaces_bodies = true;
      headers.remove("content-length");
    }
    let key = headers.get("x-count");
    if (key != "") {
      this.count = increment(key);
    }
    if (headers.get("x-trap") == plugin.name) {
      throw new Error("trapped as asked");
    }
    let code = headers.get("x-local");
    if (code != "") {
      return answer(U32.parseInt(code), pair("x-local", plugin.name), "answered by " + plugin.name + "\n");
    }
    let path = headers.get("x-call");
    return path != "" ? this.call(path) : FilterHeadersStatusValues.Continue;
  }

  call(path: string): FilterHeadersStatusValues {
    let upstream = stream_context.headers.request.get("x-upstream");
    if (upstream == "") {
      upstream = this.plugin.upstream;
    }
    let headers: Headers = [pair(":method", "GET"), pair(":path", path), pair(":authority", upstream)];
    let result = this.plugin.httpCall(upstream, headers, new ArrayBuffer(0), [], CALL_TIMEOUT, this,
      (context: BaseContext, headers: u32, body_size: usize, trailers: u32): void => {
        (context as Request).onCallResponse(headers, body_size as u32);
      });
    if (result != WasmResultValues.Ok) {
      answer(503, pair("x-call-failure", "not sent"), "");
    }
    return FilterHeadersStatusValues.StopIteration;
  }

  onCallResponse(headers: u32, body_size: u32): void {
    if (headers == 0) {
      answer(503, pair("x-call-failure", "no answer"), "");
      return;
    }
    let status_code = stream_context.headers.http_callback.get(":status");
    let body = buffer(BufferTypeValues.HttpCallResponseBody, body_size);
    stream_context.headers.request.replace("x-call-status", status_code);
    stream_context.headers.request.replace("x-call-body", body);
    continue_request();
  }

  onRequestBody(size: usize, end_of_stream: bool): FilterDataStatusValues {
    if (!this.replaces_bodies) {
      return FilterDataStatusValues.Continue;
    }
    if (!end_of_stream) {
      return FilterDataStatusValues.StopIterationAndBuffer;
    }
    let body = buffer(BufferTypeValues.HttpRequestBody, size as u32);
    replaceBody(BufferTypeValues.HttpRequestBody, size as u32, "<" + body.toUpperCase() + ">");
    return FilterDataStatusValues.Continue;
  }

  onResponseHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    let headers = stream_context.headers.response;
    headers.add("x-sdk", this.plugin.name);
    headers.replace("x-seen", this.plugin.seen.toString());
    headers.replace("x-ticks", getSharedData("ticks").value);
    if (this.count != "") {
      headers.replace("x-count", this.count);
    }
    headers.remove("server-secret");
    if (this.replaces_bodies) {
      headers.remove("content-length");
    }
    return FilterHeadersStatusValues.Continue;
  }

  onResponseBody(size: usize, end_of_stream: bool): FilterDataStatusValues {
    if (!this.replaces_bodies) {
      return FilterDataStatusValues.Continue;
    }
    if (!end_of_stream) {
      return FilterDataStatusValues.StopIterationAndBuffer;
    }
    let body = get_buffer_bytes(BufferTypeValues.HttpResponseBody, 0, size as u32);
    replaceBody(BufferTypeValues.HttpResponseBody, size as u32, body.byteLength.toString() + " bytes: " + String.UTF8.decode(body));
    return FilterDataStatusValues.Continue;
  }

  onLog(): void {
    let request = stream_context.headers.request;
    let line = request.get(":method") + " " + request.get(":path") + ": " + stream_context.headers.response.get(":status");
    log(LogLevelValues.info, line);
  }
}

registerRootContext((context_id: u32): RootContext => new Plugin(context_id), "sdk");
