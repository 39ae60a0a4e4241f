#!/usr/bin/env bash
# What a plugin that only forwards costs: requests per second of the runner with it and without, one worker, 32 connections, the median
# of interleaved pairs. Needs `wrk`, and `nginx` for the real upstream (Debian: wrk, nginx-light).
#
#   cargo build --release --package proxywasm-runner && benches/throughput.sh [PAIRS] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
pairs=${1:-5} seconds=${2:-4}
. benches/common.sh
require "$proxywasm" wrk curl

rate() { # PORT
    $others wrk --threads 1 --connections 32 --duration "${seconds}s" "http://127.0.0.1:$1/" | awk '/Requests\/sec/ { print $2 }'
}

compare() { # NAME BASE-PORT UPSTREAM
    local name=$1 base=$2
    runner "$base" "$3"
    runner $((base + 1)) "$3" forward_component
    runner $((base + 2)) "$3" forward_legacy
    for port in "$base" $((base + 1)) $((base + 2)); do ready "$port"; done
    for _ in $(seq "$pairs"); do
        local none; none=$(rate "$base")
        echo "$none $(rate $((base + 1))) $(rate $((base + 2)))"
    done >"$work/rates"
    column() { awk -v column="$1" '{ print $column }' "$work/rates" | median %f; }
    ratio() { awk -v column="$1" '{ print $column / $1 }' "$work/rates" | median %.3f; }
    printf '| %s | %.0f | %.0f (%s) | %.0f (%s) |\n' "$name" "$(column 1)" "$(column 2)" "$(ratio 2)" "$(column 3)" "$(ratio 3)"
}

echo '| upstream | no plugin, requests/s | component ABI (ratio) | ABI 0.2.1 (ratio) |'
echo '|---|---|---|---|'
compare built-in 18080 echo
if command -v nginx >/dev/null; then
    nginx_upstream 18099
    ready 18099
    compare nginx 18090 http://127.0.0.1:18099
else
    echo 'nginx is not installed: the real upstream is left out' >&2
fi
