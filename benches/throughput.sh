#!/usr/bin/env bash
# What a plugin that only forwards costs: requests per second of the runner with it and without, one worker, 32 connections, the median
# of interleaved pairs. Needs `wrk`, and `nginx` for the real upstream (Debian: wrk, nginx-light).
#
#   cargo build --release --package proxywasm-runner && benches/throughput.sh [PAIRS] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5} seconds=${2:-4}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

# The proxy on one core, everything else on the others, where there are others.
first="" others=""
if [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null; then
    first="taskset -c 0" others="taskset -c 1-$(($(nproc) - 1))"
fi

runner() { # PORT UPSTREAM [PLUGIN]
    {
        printf 'workers: 1\nlisteners:\n  - address: 127.0.0.1:%s\n    upstream: %s\n' "$1" "$2"
        [ -z "${3:-}" ] || printf '    plugins: [it]\nplugins:\n  - name: it\n    file: %s/tests/guests/prebuilt/%s.wasm\n' "$PWD" "$3"
    } >"$work/$1.yaml"
    $first "${PROXYWASM:-target/release/proxywasm}" serve "$work/$1.yaml" >"$work/$1.log" 2>&1 &
}

rate() { # PORT
    $others wrk --threads 1 --connections 32 --duration "${seconds}s" "http://127.0.0.1:$1/" | awk '/Requests\/sec/ { print $2 }'
}

compare() { # NAME BASE-PORT UPSTREAM
    local name=$1 base=$2
    runner "$base" "$3"
    runner $((base + 1)) "$3" forward_component
    runner $((base + 2)) "$3" forward_legacy
    sleep 2
    for port in "$base" $((base + 1)) $((base + 2)); do curl -sf "http://127.0.0.1:$port/" >/dev/null; done
    for _ in $(seq "$pairs"); do
        local none; none=$(rate "$base")
        echo "$none $(rate $((base + 1))) $(rate $((base + 2)))"
    done >"$work/rates"
    column() { awk -v column="$1" '{ print $column }' "$work/rates" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
    ratio() { awk -v column="$1" '{ print $column / $1 }' "$work/rates" | sort -n | awk '{ v[NR] = $1 } END { printf "%.3f", v[int((NR + 1) / 2)] }'; }
    printf '| %s | %.0f | %.0f (%s) | %.0f (%s) |\n' "$name" "$(column 1)" "$(column 2)" "$(ratio 2)" "$(column 3)" "$(ratio 3)"
}

echo '| upstream | no plugin, requests/s | component ABI (ratio) | ABI 0.2.1 (ratio) |'
echo '|---|---|---|---|'
compare built-in 18080 echo
if command -v nginx >/dev/null; then
    cat >"$work/nginx.conf" <<CONF
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.error;
daemon off;
events {}
http {
    access_log off;
    keepalive_requests 1000000000;
    server { listen 127.0.0.1:18099; location / { return 200 "hello\n"; } }
}
CONF
    $others nginx -c "$work/nginx.conf" &
    compare nginx 18090 http://127.0.0.1:18099
else
    echo 'nginx is not installed: the real upstream is left out' >&2
fi
