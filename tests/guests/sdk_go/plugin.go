// One of the plugins that do the same with each SDK (docs/GUESTS.md); Proxy-Wasm ABI 0.2.0, as the Go SDKs have it.
//
// It is built with the Go compiler and its whole runtime, and declares the hostcalls itself (hostcalls.go).
package main

import (
	"strconv"
	"strings"
)

const callTimeout = 5000

// never is a compare-and-swap value that no key comes to have: a condition that only a key fulfils that does not exist.
const never = 0xffffffff

type action uint32

const (
	forward action = 0
	pause   action = 1
)

// stream is what is known of a request.
type stream struct {
	// Whether both bodies are replaced.
	replacesBodies bool
	// What the shared data under `x-count` says.
	count string
}

// The configuration, and what this instance has.
var (
	name     string
	upstream string
	requests uint32
	ticks    uint32
	seen     int
	streams  = map[uint32]*stream{}
	calls    = map[uint32]uint32{}
)

func main() {}

//go:wasmexport proxy_abi_version_0_2_0
func abiVersion() {}

//go:wasmexport proxy_on_context_create
func onContextCreate(context, parent uint32) {
	if parent != 0 {
		streams[context] = &stream{}
	}
}

//go:wasmexport proxy_on_vm_start
func onVMStart(context, size uint32) uint32 {
	return 1
}

//go:wasmexport proxy_on_configure
func onConfigure(context, size uint32) uint32 {
	text := ""
	if size > 0 {
		text = buffer(pluginConfiguration, size)
	}
	words := strings.Fields(text)
	period := uint64(0)
	valid := len(words) == 3
	if valid {
		var err error
		period, err = strconv.ParseUint(words[1], 10, 32)
		valid = err == nil
	}
	if !valid {
		proxyLog(logError, "the configuration `"+text+"` is not `NAME MILLISECONDS UPSTREAM`")
		return 0
	}
	name, upstream = words[0], words[2]
	requests, ticks = defineCounter("requests"), defineCounter("ticks")
	if period > 0 {
		proxySetTickPeriod(uint32(period))
	}
	proxyLog(info, "configured as "+name)
	return 1
}

//go:wasmexport proxy_on_tick
func onTick(context uint32) {
	proxyIncrementMetric(ticks, 1)
	increment("ticks")
}

// increment adds one to a number in the shared data.
func increment(key string) string {
	for {
		value, cas := sharedData(key)
		number, _ := strconv.Atoi(value)
		next := strconv.Itoa(number + 1)
		if proxySetSharedData(key, next, cas) != casMismatch {
			return next
		}
	}
}

func answer(statusCode uint32, headers, body string) action {
	proxySendLocalResponse(statusCode, "", body, headers, noGrpcStatus)
	return pause
}

//go:wasmexport proxy_on_request_headers
func onRequestHeaders(context, headers, endOfStream uint32) action {
	stream := streams[context]
	seen++
	proxyIncrementMetric(requests, 1)
	values := 0
	for _, name := range headerNames(requestHeaders) {
		if name == "x-value" {
			values++
		}
	}
	proxyReplaceValue(requestHeaders, "x-values", strconv.Itoa(values))
	proxyAddValue(requestHeaders, "x-sdk", name)
	proxyRemoveValue(requestHeaders, "x-remove-me")
	if _, found := header(requestHeaders, "x-replace-me"); found {
		proxyReplaceValue(requestHeaders, "x-replace-me", "replaced")
	}
	if body, _ := header(requestHeaders, "x-body"); body == "replace" {
		stream.replacesBodies = true
		proxyRemoveValue(requestHeaders, "content-length")
	}
	if key, found := header(requestHeaders, "x-count"); found {
		stream.count = increment(key)
	}
	if who, found := header(requestHeaders, "x-trap"); found && who == name {
		panic("trapped as asked")
	}
	if code, found := header(requestHeaders, "x-local"); found {
		statusCode, _ := strconv.ParseUint(code, 10, 32)
		return answer(uint32(statusCode), pairs([2]string{"x-local", name}), "answered by "+name+"\n")
	}
	if path, found := header(requestHeaders, "x-call"); found {
		return call(context, path)
	}
	return forward
}

func call(context uint32, path string) action {
	to := upstream
	if other, found := header(requestHeaders, "x-upstream"); found {
		to = other
	}
	headers := pairs([2]string{":method", "GET"}, [2]string{":path", path}, [2]string{":authority", to})
	token, status := httpCall(to, headers, callTimeout)
	if status != ok {
		return answer(503, pairs([2]string{"x-call-failure", "not sent"}), "")
	}
	calls[token] = context
	return pause
}

//go:wasmexport proxy_on_http_call_response
func onHTTPCallResponse(plugin, token, headers, bodySize, trailers uint32) {
	context, found := calls[token]
	if !found {
		return
	}
	delete(calls, token)
	statusCode, _ := header(callResponseHeaders, ":status")
	body := buffer(callResponseBody, bodySize)
	proxySetEffectiveContext(context)
	if headers == 0 {
		answer(503, pairs([2]string{"x-call-failure", "no answer"}), "")
		return
	}
	proxyReplaceValue(requestHeaders, "x-call-status", statusCode)
	proxyReplaceValue(requestHeaders, "x-call-body", body)
	proxyContinueStream(requestStream)
}

//go:wasmexport proxy_on_request_body
func onRequestBody(context, size, endOfStream uint32) action {
	return replace(context, requestBody, size, endOfStream, func(body string) string {
		return "<" + strings.ToUpper(body) + ">"
	})
}

//go:wasmexport proxy_on_response_headers
func onResponseHeaders(context, headers, endOfStream uint32) action {
	stream := streams[context]
	proxyAddValue(responseHeaders, "x-sdk", name)
	proxyReplaceValue(responseHeaders, "x-seen", strconv.Itoa(seen))
	ticked, _ := sharedData("ticks")
	proxyReplaceValue(responseHeaders, "x-ticks", ticked)
	if stream.count != "" {
		proxyReplaceValue(responseHeaders, "x-count", stream.count)
	}
	proxyRemoveValue(responseHeaders, "server-secret")
	if stream.replacesBodies {
		proxyRemoveValue(responseHeaders, "content-length")
	}
	return forward
}

//go:wasmexport proxy_on_response_body
func onResponseBody(context, size, endOfStream uint32) action {
	return replace(context, responseBody, size, endOfStream, func(body string) string {
		return strconv.Itoa(len(body)) + " bytes: " + body
	})
}

// replace holds a body until it is whole, and then replaces it.
func replace(context uint32, body bufferType, size, endOfStream uint32, by func(string) string) action {
	if !streams[context].replacesBodies {
		return forward
	}
	if endOfStream == 0 {
		return pause
	}
	whole := ""
	if size > 0 {
		whole = buffer(body, size)
	}
	proxySetBuffer(body, 0, size, by(whole))
	return forward
}

//go:wasmexport proxy_on_done
func onDone(context uint32) uint32 {
	return 1
}

//go:wasmexport proxy_on_log
func onLog(context uint32) {
	if _, found := streams[context]; !found {
		return
	}
	method, _ := header(requestHeaders, ":method")
	path, _ := header(requestHeaders, ":path")
	statusCode, _ := header(responseHeaders, ":status")
	proxyLog(info, method+" "+path+": "+statusCode)
}

//go:wasmexport proxy_on_delete
func onDelete(context uint32) {
	delete(streams, context)
}
