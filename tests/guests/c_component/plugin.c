/*
 * Counts requests by path, in a store that all workers share and in the metric `requests` (Proxy-Wasm component ABI), in C and without a C
 * library. The response header `x-count` tells the count.
 */
#include <stdbool.h>

#include "proxywasm.h"

/* Longer paths are not counted. */
#define LONGEST_PATH 512
/* How often a write is tried that others come before. */
#define ATTEMPTS 1000
/* The decimal digits of the largest number. */
#define DIGITS 20
/* The length of a packed list of one value, and of a packed map of one pair, without the bytes in them. */
#define LIST_HEAD 8
#define MAP_HEAD 12

/* The size of a page of the memory of a module. */
#define PAGE 65536

#define TEXT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}

static const proxywasm_ciovec_t STORE_NAME = TEXT("counters");
static const proxywasm_ciovec_t METRIC_NAME = TEXT("requests");
static const proxywasm_ciovec_t PATH = TEXT(":path");
static const proxywasm_ciovec_t COUNT = TEXT("x-count");
static const proxywasm_ciovec_t FAILURE = TEXT("the request could not be counted");

/* What a plugin has: handles belong to the plugin that made them. */
struct plugin {
    proxywasm_plugin_id_t id; /* 0: this place is free */
    proxywasm_kvstore_id_t store;
    proxywasm_metric_id_t requests;
};

/* A stream. Its address is what the host calls it by, so that it need not be looked up. */
struct stream {
    struct plugin *plugin;
    struct stream *next_free;
    uint8_t digits[DIGITS];
    uint32_t len; /* 0: there is no count */
};

/* Configurations of the module in one instance. More are refused. */
static struct plugin plugins[16];
static struct stream *free_streams;

void proxy_abi_version_2021_04(void) {}

/* The place of a plugin, or null; for id 0 a free place. */
static struct plugin *plugin_of(proxywasm_plugin_id_t id) {
    for (unsigned at = 0; at < sizeof plugins / sizeof *plugins; at++) {
        if (plugins[at].id == id) {
            return &plugins[at];
        }
    }
    return 0;
}

proxywasm_boolean_t proxy_on_plugin_start(proxywasm_plugin_id_t plugin_id, proxywasm_size_t configuration_size) {
    (void)configuration_size;
    struct plugin *plugin = plugin_of(0);
    if (!plugin ||
        proxywasm_kvstore_open_shared_kvstore(&STORE_NAME, 1, true, &plugin->store) != PROXYWASM_STATUS_OK ||
        proxywasm_metrics_create_metric(PROXYWASM_METRIC_TYPE_COUNTER, &METRIC_NAME, 1, &plugin->requests) !=
            PROXYWASM_STATUS_OK) {
        return false;
    }
    plugin->id = plugin_id;
    return true;
}

proxywasm_boolean_t proxy_on_plugin_shutdown(proxywasm_plugin_id_t plugin_id) {
    struct plugin *plugin = plugin_of(plugin_id);
    if (plugin) {
        plugin->id = 0;
    }
    return true;
}

/* Makes as many streams as a page holds. */
static void grow(void) {
    int page = __builtin_wasm_memory_grow(0, 1);
    if (page < 0) {
        __builtin_trap();
    }
    struct stream *streams = (struct stream *)(page * (uintptr_t)PAGE);
    for (unsigned at = 0; at < PAGE / sizeof *streams; at++) {
        streams[at].next_free = free_streams;
        free_streams = &streams[at];
    }
}

proxywasm_context_id_t proxy_on_context_create(
    proxywasm_context_id_t context_id, proxywasm_plugin_id_t plugin_id, proxywasm_context_type_t context_type) {
    (void)context_id, (void)context_type;
    if (!free_streams) {
        grow();
    }
    struct stream *stream = free_streams;
    free_streams = stream->next_free;
    stream->plugin = plugin_of(plugin_id);
    stream->len = 0;
    return (proxywasm_context_id_t)(uintptr_t)stream;
}

void proxy_on_context_finalize(proxywasm_context_id_t context_id) {
    struct stream *stream = (struct stream *)(uintptr_t)context_id;
    stream->next_free = free_streams;
    free_streams = stream;
}

/* Writes a number in decimal digits; returns how many. */
static uint32_t format(uint64_t number, uint8_t *digits) {
    uint32_t len = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10) {
        len++;
    }
    for (uint32_t at = len; at > 0; at--, number /= 10) {
        digits[at - 1] = (uint8_t)('0' + number % 10);
    }
    return len;
}

static uint64_t parse(const uint8_t *digits, uint32_t len) {
    uint64_t number = 0;
    for (uint32_t at = 0; at < len && digits[at] >= '0' && digits[at] <= '9'; at++) {
        number = number * 10 + (digits[at] - '0');
    }
    return number;
}

/* Counts a stream. No write of another worker is lost: a count that another one has changed is read again. */
static bool count(struct stream *stream, proxywasm_ciovec_t key) {
    proxywasm_kvstore_id_t store = stream->plugin->store;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint8_t list[LIST_HEAD + DIGITS];
        proxywasm_iovec_t out = {list, sizeof list};
        proxywasm_size_t size;
        proxywasm_cas_t cas;
        proxywasm_status_t status =
            proxywasm_kvstore_get_shared_kvstore_key_values(store, &key, 1, &out, 1, &size, &cas);
        if (status == PROXYWASM_STATUS_NOT_FOUND) {
            /* A key that does not exist has no version to hold a write against. Adding nothing creates it. */
            status = proxywasm_kvstore_add_shared_kvstore_key_values(store, &key, 1, 0, 0, 0);
            if (status != PROXYWASM_STATUS_OK) {
                return false;
            }
            continue;
        }
        if (status != PROXYWASM_STATUS_OK) {
            return false;
        }
        uint64_t before = size > LIST_HEAD ? parse(list + LIST_HEAD, size - LIST_HEAD) : 0;
        proxywasm_ciovec_t value = {stream->digits, format(before + 1, stream->digits)};
        status = proxywasm_kvstore_set_shared_kvstore_key_values(store, &key, 1, &value, 1, cas);
        if (status == PROXYWASM_STATUS_OK) {
            stream->len = value.buf_len;
            return true;
        }
        if (status != PROXYWASM_STATUS_CAS_MISMATCH) {
            return false;
        }
    }
    return false;
}

proxywasm_action_t proxy_on_http_request_headers(
    proxywasm_context_id_t context_id, proxywasm_size_t num_headers, proxywasm_boolean_t end_of_stream) {
    (void)num_headers, (void)end_of_stream;
    struct stream *stream = (struct stream *)(uintptr_t)context_id;
    proxywasm_metrics_increment_metric_value(stream->plugin->requests, 1);

    uint8_t map[MAP_HEAD + sizeof ":path" - 1 + LONGEST_PATH];
    uint32_t head = MAP_HEAD + PATH.buf_len;
    proxywasm_iovec_t out = {map, sizeof map};
    proxywasm_size_t size;
    proxywasm_status_t status = proxywasm_common_get_map_values(
        context_id, PROXYWASM_MAP_TYPE_HTTP_REQUEST_HEADERS, &PATH, 1, &out, 1, &size);
    if (status != PROXYWASM_STATUS_OK || size < head ||
        !count(stream, (proxywasm_ciovec_t){map + head, size - head})) {
        proxywasm_log_log(PROXYWASM_LOG_LEVEL_WARN, &FAILURE, 1);
    }
    return PROXYWASM_ACTION_FORWARD;
}

/* A length as it crosses the boundary. */
static void put_u32(uint8_t *out, uint32_t number) {
    for (int byte = 0; byte < 4; byte++) {
        out[byte] = (uint8_t)(number >> (8 * byte));
    }
}

proxywasm_action_t proxy_on_http_response_headers(
    proxywasm_context_id_t context_id, proxywasm_size_t num_headers, proxywasm_boolean_t end_of_stream) {
    (void)num_headers, (void)end_of_stream;
    struct stream *stream = (struct stream *)(uintptr_t)context_id;
    if (stream->len > 0) {
        uint8_t head[MAP_HEAD];
        put_u32(head, 1);
        put_u32(head + 4, COUNT.buf_len);
        put_u32(head + 8, stream->len);
        proxywasm_ciovec_t map[] = {{head, sizeof head}, COUNT, {stream->digits, stream->len}};
        proxywasm_common_set_map_values(context_id, PROXYWASM_MAP_TYPE_HTTP_RESPONSE_HEADERS, &COUNT, 1, map, 3);
    }
    return PROXYWASM_ACTION_FORWARD;
}
