#!/usr/bin/env bash
# What a stream costs that is held: resident memory of a runner whose plugin pauses each request, and of one without plugins whose upstream
# does not answer, which is the first. All streams come over HTTP/2 in the clear, a hundred on a connection. Needs `h2load` (Debian:
# nghttp2-client).
#
#   cargo build --release --package proxywasm-runner && benches/held.sh [STREAMS]
set -euo pipefail
cd "$(dirname "$0")/.."
connections=$((${1:-10000} / 100)) streams=$((${1:-10000} / 100 * 100))
. benches/common.sh
require "$proxywasm" h2load curl

load() { # STREAMS CONNECTIONS STREAMS-EACH [OPTION...]
    h2load --requests "$1" --clients "$2" --max-concurrent-streams "$3" "${@:4}" http://127.0.0.1:18301/ >"$work/h2load.log" 2>&1
}

# Requests at the upstream whose response is not complete.
held() {
    curl -sS http://127.0.0.1:18302/metrics | awk '/^proxywasm_upstream_active_requests/ { sum += $2 } END { print sum + 0 }'
}

# Rust SDK; what it does is in a header of the request.
runner 18300 echo probe_legacy
runner 18301 http://127.0.0.1:18300 "" "upstream_protocol: http2" "admin: { address: 127.0.0.1:18302 }"
ready 18300
ready 18301
# What the first requests bring in is not theirs to pay.
load 100 1 10
paused=$(resident 18300) waiting=$(resident 18301)
load "$streams" "$connections" 100 --header 'x-probe: return pause' &
load_pid=$!
for _ in $(seq 600); do
    [ "$(held)" -lt "$streams" ] || break
    kill -0 "$load_pid" 2>/dev/null || break
    sleep 0.1
done
[ "$(held)" -eq "$streams" ] || {
    cat "$work/h2load.log" >&2
    echo "only $(held) of $streams streams are held" >&2
    exit 1
}
# The one that does not answer may not have seen all of them yet.
seen=0
until [ "$(resident 18300)" -eq "$seen" ]; do
    seen=$(resident 18300)
    sleep 1
done
each() { # PORT BEFORE
    awk -v now="$(resident "$1")" -v before="$2" -v streams="$streams" 'BEGIN { printf "%.1f", (now - before) / streams }'
}
echo "| $streams streams held | before, MiB | for each, KiB |"
echo '|---|---|---|'
printf '| without a plugin, by the upstream | %s | %s |\n' "$(awk -v kib="$waiting" 'BEGIN { printf "%.1f", kib / 1024 }')" "$(each 18301 "$waiting")"
printf '| by a plugin that pauses them | %s | %s |\n' "$(awk -v kib="$paused" 'BEGIN { printf "%.1f", kib / 1024 }')" "$(each 18300 "$paused")"
