// The hostcalls of Proxy-Wasm ABI 0.2.1 that this plugin uses, and what it gets out of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define IMPORT(name) __attribute__((import_module("env"), import_name(name)))
#define EXPORT(name) extern "C" __attribute__((export_name(name)))

enum class Status : uint32_t { Ok = 0, CasMismatch = 8 };
enum class Action : uint32_t { Continue = 0, Pause = 1 };
enum class LogLevel : uint32_t { Info = 2, Error = 4 };
enum class MapType : uint32_t { RequestHeaders = 0, ResponseHeaders = 2, CallResponseHeaders = 6 };
enum class BufferType : uint32_t { RequestBody = 0, ResponseBody = 1, CallResponseBody = 4, PluginConfiguration = 7 };

extern "C" {
IMPORT("proxy_log") Status proxy_log(LogLevel level, const char *message, size_t size);
IMPORT("proxy_set_tick_period_milliseconds") Status proxy_set_tick_period_milliseconds(uint32_t period);
IMPORT("proxy_get_buffer_bytes")
Status proxy_get_buffer_bytes(BufferType buffer, size_t start, size_t max_size, char **data, size_t *size);
IMPORT("proxy_set_buffer_bytes")
Status proxy_set_buffer_bytes(BufferType buffer, size_t start, size_t size, const char *data, size_t data_size);
IMPORT("proxy_get_header_map_pairs") Status proxy_get_header_map_pairs(MapType map, char **data, size_t *size);
IMPORT("proxy_get_header_map_value")
Status proxy_get_header_map_value(MapType map, const char *name, size_t name_size, char **data, size_t *size);
IMPORT("proxy_add_header_map_value")
Status proxy_add_header_map_value(MapType map, const char *name, size_t name_size, const char *value, size_t size);
IMPORT("proxy_replace_header_map_value")
Status proxy_replace_header_map_value(MapType map, const char *name, size_t name_size, const char *value, size_t size);
IMPORT("proxy_remove_header_map_value")
Status proxy_remove_header_map_value(MapType map, const char *name, size_t name_size);
IMPORT("proxy_send_local_response")
Status proxy_send_local_response(uint32_t status_code, const char *details, size_t details_size, const char *body, size_t body_size,
                                 const char *headers, size_t headers_size, uint32_t grpc_status);
IMPORT("proxy_continue_stream") Status proxy_continue_stream(uint32_t stream);
IMPORT("proxy_http_call")
Status proxy_http_call(const char *upstream, size_t upstream_size, const char *headers, size_t headers_size, const char *body,
                       size_t body_size, const char *trailers, size_t trailers_size, uint32_t milliseconds, uint32_t *token);
IMPORT("proxy_set_effective_context") Status proxy_set_effective_context(uint32_t context);
IMPORT("proxy_get_shared_data")
Status proxy_get_shared_data(const char *key, size_t key_size, char **data, size_t *size, uint32_t *cas);
IMPORT("proxy_set_shared_data")
Status proxy_set_shared_data(const char *key, size_t key_size, const char *value, size_t size, uint32_t cas);
IMPORT("proxy_define_metric") Status proxy_define_metric(uint32_t type, const char *name, size_t name_size, uint32_t *id);
IMPORT("proxy_increment_metric") Status proxy_increment_metric(uint32_t id, int64_t offset);
}

using Headers = std::vector<std::pair<std::string, std::string>>;

// Bytes that the host has allocated with `malloc`, and what it returned with them.
struct Received {
  char *data = nullptr;
  size_t size = 0;

  std::string take() const {
    std::string bytes(data == nullptr ? "" : data, data == nullptr ? 0 : size);
    std::free(data);
    return bytes;
  }
};

inline void log(LogLevel level, std::string_view message) { proxy_log(level, message.data(), message.size()); }

inline std::string buffer(BufferType type, size_t size) {
  Received received;
  if (size == 0 || proxy_get_buffer_bytes(type, 0, size, &received.data, &received.size) != Status::Ok) return {};
  return received.take();
}

inline std::optional<std::string> header(MapType map, std::string_view name) {
  Received received;
  if (proxy_get_header_map_value(map, name.data(), name.size(), &received.data, &received.size) != Status::Ok) return {};
  return received.take();
}

inline void add_header(MapType map, std::string_view name, std::string_view value) {
  proxy_add_header_map_value(map, name.data(), name.size(), value.data(), value.size());
}

inline void replace_header(MapType map, std::string_view name, std::string_view value) {
  proxy_replace_header_map_value(map, name.data(), name.size(), value.data(), value.size());
}

inline void remove_header(MapType map, std::string_view name) { proxy_remove_header_map_value(map, name.data(), name.size()); }

// The names of all headers, a repeated one as often as it is there.
inline std::vector<std::string> header_names(MapType map) {
  Received received;
  if (proxy_get_header_map_pairs(map, &received.data, &received.size) != Status::Ok) return {};
  const std::string bytes = received.take();
  const auto number = [&bytes](size_t at) {
    uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  };
  std::vector<std::string> names;
  if (bytes.size() < 4) return names;
  const uint32_t count = number(0);
  size_t at = 4 + 8 * count;
  for (uint32_t index = 0; index < count; ++index) {
    const uint32_t name = number(4 + 8 * index);
    const uint32_t value = number(8 + 8 * index);
    names.push_back(bytes.substr(at, name));
    at += name + value + 2;
  }
  return names;
}

// Headers as hostcalls take them.
inline std::string pairs(const Headers &headers) {
  std::string bytes;
  const auto append = [&bytes](size_t number) {
    const uint32_t value = static_cast<uint32_t>(number);
    bytes.append(reinterpret_cast<const char *>(&value), sizeof value);
  };
  append(headers.size());
  for (const auto &[name, value] : headers) {
    append(name.size());
    append(value.size());
  }
  for (const auto &[name, value] : headers) bytes.append(name).append(1, '\0').append(value).append(1, '\0');
  return bytes;
}

inline void answer(uint32_t status_code, const Headers &headers, std::string_view body) {
  const std::string packed = pairs(headers);
  proxy_send_local_response(status_code, nullptr, 0, body.data(), body.size(), packed.data(), packed.size(), UINT32_MAX);
}

inline std::optional<uint32_t> http_call(std::string_view upstream, const Headers &headers, uint32_t milliseconds) {
  const std::string packed = pairs(headers);
  const std::string none = pairs({});
  uint32_t token = 0;
  const Status status = proxy_http_call(upstream.data(), upstream.size(), packed.data(), packed.size(), nullptr, 0, none.data(),
                                        none.size(), milliseconds, &token);
  if (status != Status::Ok) return {};
  return token;
}

// A compare-and-swap value that no key comes to have: a condition that only a key fulfils that does not exist.
constexpr uint32_t NEVER = UINT32_MAX;

// What is in the shared data under a key, and its compare-and-swap value.
inline std::pair<std::string, uint32_t> shared_data(std::string_view key) {
  Received received;
  uint32_t cas = 0;
  if (proxy_get_shared_data(key.data(), key.size(), &received.data, &received.size, &cas) != Status::Ok) return {"", NEVER};
  return {received.take(), cas};
}

inline uint32_t define_counter(std::string_view name) {
  uint32_t id = 0;
  proxy_define_metric(0, name.data(), name.size(), &id);
  return id;
}
