package main

import (
	"encoding/binary"
	"unsafe"
)

// What hostcalls answer, as far as this plugin tells it apart.
type status uint32

const (
	ok          status = 0
	casMismatch status = 8
)

type mapType uint32

const (
	requestHeaders      mapType = 0
	responseHeaders     mapType = 2
	callResponseHeaders mapType = 6
)

type bufferType uint32

const (
	requestBody         bufferType = 0
	responseBody        bufferType = 1
	callResponseBody    bufferType = 4
	pluginConfiguration bufferType = 7
)

type logLevel uint32

const (
	info     logLevel = 2
	logError logLevel = 4
)

const (
	requestStream uint32 = 0
	counterMetric uint32 = 0
	noGrpcStatus  uint32 = 0xffffffff
)

// A string goes over the boundary as address and length.

//go:wasmimport env proxy_log
func proxyLog(level logLevel, message string) status

//go:wasmimport env proxy_set_tick_period_milliseconds
func proxySetTickPeriod(milliseconds uint32) status

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBuffer(buffer bufferType, start, size uint32, data, length unsafe.Pointer) status

//go:wasmimport env proxy_set_buffer_bytes
func proxySetBuffer(buffer bufferType, start, size uint32, value string) status

//go:wasmimport env proxy_get_header_map_pairs
func proxyGetPairs(headers mapType, data, length unsafe.Pointer) status

//go:wasmimport env proxy_get_header_map_value
func proxyGetValue(headers mapType, name string, data, length unsafe.Pointer) status

//go:wasmimport env proxy_add_header_map_value
func proxyAddValue(headers mapType, name, value string) status

//go:wasmimport env proxy_replace_header_map_value
func proxyReplaceValue(headers mapType, name, value string) status

//go:wasmimport env proxy_remove_header_map_value
func proxyRemoveValue(headers mapType, name string) status

//go:wasmimport env proxy_send_local_response
func proxySendLocalResponse(statusCode uint32, details, body, headers string, grpcStatus uint32) status

//go:wasmimport env proxy_continue_stream
func proxyContinueStream(stream uint32) status

//go:wasmimport env proxy_http_call
func proxyHTTPCall(upstream, headers, body, trailers string, milliseconds uint32, token unsafe.Pointer) status

//go:wasmimport env proxy_set_effective_context
func proxySetEffectiveContext(context uint32) status

//go:wasmimport env proxy_get_shared_data
func proxyGetSharedData(key string, data, length, cas unsafe.Pointer) status

//go:wasmimport env proxy_set_shared_data
func proxySetSharedData(key, value string, cas uint32) status

//go:wasmimport env proxy_define_metric
func proxyDefineMetric(kind uint32, name string, id unsafe.Pointer) status

//go:wasmimport env proxy_increment_metric
func proxyIncrementMetric(id uint32, offset int64) status

// allocated keeps what the host has allocated alive until it is taken.
var allocated = map[uintptr][]byte{}

//go:wasmexport proxy_on_memory_allocate
func onMemoryAllocate(size uint32) unsafe.Pointer {
	bytes := make([]byte, max(size, 1))
	address := unsafe.Pointer(unsafe.SliceData(bytes))
	allocated[uintptr(address)] = bytes
	return address
}

// received is where the host writes what it returns: an address that it has allocated, and a length.
type received struct {
	address uint32
	length  uint32
}

func (r *received) pointers() (unsafe.Pointer, unsafe.Pointer) {
	return unsafe.Pointer(&r.address), unsafe.Pointer(&r.length)
}

func (r *received) take() []byte {
	bytes := allocated[uintptr(r.address)]
	delete(allocated, uintptr(r.address))
	return bytes[:min(r.length, uint32(len(bytes)))]
}

func buffer(of bufferType, size uint32) string {
	var result received
	data, length := result.pointers()
	if proxyGetBuffer(of, 0, size, data, length) != ok {
		return ""
	}
	return string(result.take())
}

func header(of mapType, name string) (string, bool) {
	var result received
	data, length := result.pointers()
	if proxyGetValue(of, name, data, length) != ok {
		return "", false
	}
	return string(result.take()), true
}

// headerNames are the names of all headers, a repeated one as often as it is there.
func headerNames(of mapType) []string {
	var result received
	data, length := result.pointers()
	if proxyGetPairs(of, data, length) != ok {
		return nil
	}
	bytes := result.take()
	if len(bytes) < 4 {
		return nil
	}
	count := binary.LittleEndian.Uint32(bytes)
	names := make([]string, 0, count)
	at := 4 + 8*count
	for index := range count {
		name := binary.LittleEndian.Uint32(bytes[4+8*index:])
		value := binary.LittleEndian.Uint32(bytes[8+8*index:])
		names = append(names, string(bytes[at:at+name]))
		at += name + value + 2
	}
	return names
}

// pairs are headers as hostcalls take them.
func pairs(headers ...[2]string) string {
	bytes := binary.LittleEndian.AppendUint32(nil, uint32(len(headers)))
	for _, header := range headers {
		bytes = binary.LittleEndian.AppendUint32(bytes, uint32(len(header[0])))
		bytes = binary.LittleEndian.AppendUint32(bytes, uint32(len(header[1])))
	}
	for _, header := range headers {
		bytes = append(append(bytes, header[0]...), 0)
		bytes = append(append(bytes, header[1]...), 0)
	}
	return string(bytes)
}

func httpCall(upstream, headers string, milliseconds uint32) (uint32, status) {
	var token uint32
	answer := proxyHTTPCall(upstream, headers, "", pairs(), milliseconds, unsafe.Pointer(&token))
	return token, answer
}

// sharedData is what is in the shared data under a key, and its compare-and-swap value.
func sharedData(key string) (value string, cas uint32) {
	var result received
	data, length := result.pointers()
	if proxyGetSharedData(key, data, length, unsafe.Pointer(&cas)) != ok {
		return "", never
	}
	return string(result.take()), cas
}

func defineCounter(name string) (id uint32) {
	proxyDefineMetric(counterMetric, name, unsafe.Pointer(&id))
	return id
}
