// One of the plugins that do the same with each SDK (docs/GUESTS.md); Proxy-Wasm ABI 0.2.1.
//
// It is C++ on wasi-libc and libc++, and declares the hostcalls itself (hostcalls.h).
#include "hostcalls.h"

#include <charconv>
#include <unordered_map>

namespace {

constexpr uint32_t CALL_TIMEOUT = 5000;
constexpr uint32_t REQUEST_STREAM = 0;

struct Configuration {
  std::string name;
  uint32_t period = 0;
  std::string upstream;
};

// What is known of a request.
struct Stream {
  // Whether both bodies are replaced.
  bool replaces_bodies = false;
  // What the shared data under `x-count` says.
  std::string count;
};

// What this instance has. The constructors run in `_initialize`.
Configuration configuration;
uint32_t requests = 0;
uint32_t ticks = 0;
uint64_t seen = 0;
std::unordered_map<uint32_t, Stream> streams;
std::unordered_map<uint32_t, uint32_t> calls;

template <typename Number> std::optional<Number> parse(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return number;
}

std::optional<Configuration> parse_configuration(std::string_view text) {
  std::vector<std::string> words;
  constexpr std::string_view SPACE = " \t\r\n";
  for (size_t at = text.find_first_not_of(SPACE); at != text.npos; at = text.find_first_not_of(SPACE, at)) {
    const size_t end = std::min(text.find_first_of(SPACE, at), text.size());
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  if (words.size() != 3) return {};
  const auto period = parse<uint32_t>(words[1]);
  if (!period) return {};
  return Configuration{words[0], *period, words[2]};
}

// Adds one to a number in the shared data.
std::string increment(std::string_view key) {
  for (;;) {
    const auto [value, cas] = shared_data(key);
    const std::string next = std::to_string(parse<uint64_t>(value).value_or(0) + 1);
    if (proxy_set_shared_data(key.data(), key.size(), next.data(), next.size(), cas) != Status::CasMismatch) return next;
  }
}

Action call(uint32_t context, const std::string &path) {
  const std::string upstream = header(MapType::RequestHeaders, "x-upstream").value_or(configuration.upstream);
  const auto token = http_call(upstream, {{":method", "GET"}, {":path", path}, {":authority", upstream}}, CALL_TIMEOUT);
  if (token) {
    calls[*token] = context;
  } else {
    answer(503, {{"x-call-failure", "not sent"}}, "");
  }
  return Action::Pause;
}

// Holds a body until it is whole, and then replaces it.
template <typename Change> Action replace(uint32_t context, BufferType body, size_t size, bool end_of_stream, Change change) {
  if (!streams[context].replaces_bodies) return Action::Continue;
  if (!end_of_stream) return Action::Pause;
  const std::string changed = change(buffer(body, size));
  proxy_set_buffer_bytes(body, 0, size, changed.data(), changed.size());
  return Action::Continue;
}

} // namespace

EXPORT("proxy_abi_version_0_2_1") void abi_version() {}

EXPORT("proxy_on_context_create") void on_context_create(uint32_t context, uint32_t parent) {
  if (parent != 0) streams.try_emplace(context);
}

EXPORT("proxy_on_vm_start") bool on_vm_start(uint32_t, uint32_t) { return true; }

EXPORT("proxy_on_configure") bool on_configure(uint32_t, uint32_t size) {
  const std::string text = buffer(BufferType::PluginConfiguration, size);
  const auto parsed = parse_configuration(text);
  if (!parsed) {
    log(LogLevel::Error, "the configuration `" + text + "` is not `NAME MILLISECONDS UPSTREAM`");
    return false;
  }
  configuration = *parsed;
  requests = define_counter("requests");
  ticks = define_counter("ticks");
  if (configuration.period > 0) proxy_set_tick_period_milliseconds(configuration.period);
  log(LogLevel::Info, "configured as " + configuration.name);
  return true;
}

EXPORT("proxy_on_tick") void on_tick(uint32_t) {
  proxy_increment_metric(ticks, 1);
  increment("ticks");
}

EXPORT("proxy_on_request_headers") Action on_request_headers(uint32_t context, uint32_t, bool) {
  constexpr MapType MAP = MapType::RequestHeaders;
  Stream &stream = streams[context];
  ++seen;
  proxy_increment_metric(requests, 1);
  size_t values = 0;
  for (const auto &name : header_names(MAP)) values += name == "x-value";
  replace_header(MAP, "x-values", std::to_string(values));
  add_header(MAP, "x-sdk", configuration.name);
  remove_header(MAP, "x-remove-me");
  if (header(MAP, "x-replace-me")) replace_header(MAP, "x-replace-me", "replaced");
  if (header(MAP, "x-body") == "replace") {
    stream.replaces_bodies = true;
    remove_header(MAP, "content-length");
  }
  if (const auto key = header(MAP, "x-count")) stream.count = increment(*key);
  if (header(MAP, "x-trap") == configuration.name) std::abort();
  if (const auto code = header(MAP, "x-local")) {
    answer(parse<uint32_t>(*code).value_or(500), {{"x-local", configuration.name}}, "answered by " + configuration.name + "\n");
    return Action::Pause;
  }
  if (const auto path = header(MAP, "x-call")) return call(context, *path);
  return Action::Continue;
}

EXPORT("proxy_on_http_call_response") void on_http_call_response(uint32_t, uint32_t token, uint32_t headers, uint32_t body_size, uint32_t) {
  const auto found = calls.extract(token);
  if (found.empty()) return;
  const std::string status_code = header(MapType::CallResponseHeaders, ":status").value_or("");
  const std::string body = buffer(BufferType::CallResponseBody, body_size);
  proxy_set_effective_context(found.mapped());
  if (headers == 0) return answer(503, {{"x-call-failure", "no answer"}}, "");
  replace_header(MapType::RequestHeaders, "x-call-status", status_code);
  replace_header(MapType::RequestHeaders, "x-call-body", body);
  proxy_continue_stream(REQUEST_STREAM);
}

EXPORT("proxy_on_request_body") Action on_request_body(uint32_t context, uint32_t size, bool end_of_stream) {
  return replace(context, BufferType::RequestBody, size, end_of_stream, [](std::string body) {
    for (char &character : body) {
      if (character >= 'a' && character <= 'z') character -= 'a' - 'A';
    }
    return "<" + body + ">";
  });
}

EXPORT("proxy_on_response_headers") Action on_response_headers(uint32_t context, uint32_t, bool) {
  constexpr MapType MAP = MapType::ResponseHeaders;
  const Stream &stream = streams[context];
  add_header(MAP, "x-sdk", configuration.name);
  replace_header(MAP, "x-seen", std::to_string(seen));
  replace_header(MAP, "x-ticks", shared_data("ticks").first);
  if (!stream.count.empty()) replace_header(MAP, "x-count", stream.count);
  remove_header(MAP, "server-secret");
  if (stream.replaces_bodies) remove_header(MAP, "content-length");
  return Action::Continue;
}

EXPORT("proxy_on_response_body") Action on_response_body(uint32_t context, uint32_t size, bool end_of_stream) {
  return replace(context, BufferType::ResponseBody, size, end_of_stream,
                 [](const std::string &body) { return std::to_string(body.size()) + " bytes: " + body; });
}

EXPORT("proxy_on_done") bool on_done(uint32_t) { return true; }

EXPORT("proxy_on_log") void on_log(uint32_t context) {
  if (streams.count(context) == 0) return;
  const auto text = [](MapType map, std::string_view name) { return header(map, name).value_or(""); };
  log(LogLevel::Info, text(MapType::RequestHeaders, ":method") + " " + text(MapType::RequestHeaders, ":path") + ": " +
                          text(MapType::ResponseHeaders, ":status"));
}

EXPORT("proxy_on_delete") void on_delete(uint32_t context) { streams.erase(context); }
