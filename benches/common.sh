# What the scripts of this folder share; they source it at the root of the repository.
# shellcheck shell=bash
proxywasm=${PROXYWASM:-target/release/proxywasm}
# Debian keeps nginx where only root looks.
export PATH="$PATH:/usr/sbin"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
declare -A pids

# What is measured on one core, where it takes turns; everything else on the others, where there are others.
first="" others=""
if [ "$(nproc)" -gt 1 ] && command -v taskset >/dev/null; then
    first="taskset -c 0" others="taskset -c 1-$(($(nproc) - 1))"
fi

require() { # PROGRAM...
    local program
    for program; do
        command -v "$program" >/dev/null || {
            echo "$program is missing" >&2
            exit 1
        }
    done
}

# Starts a program by the name of its port, with its output in a file.
start() { # PORT COMMAND...
    local port=$1
    shift
    "$@" >"$work/$port.log" 2>&1 &
    pids[$port]=$!
}

# A runner of one worker, whose configuration has these lines below its listener and at its end.
runner() { # PORT UPSTREAM [PLUGIN [LISTENER-LINES [LINES]]]
    {
        printf 'workers: 1\nlisteners:\n  - address: 127.0.0.1:%s\n    upstream: %s\n' "$1" "$2"
        [ -z "${4:-}" ] || printf '    %s\n' "$4"
        [ -z "${3:-}" ] || printf '    plugins: [it]\nplugins:\n  - name: it\n    file: %s/tests/guests/prebuilt/%s.wasm\n' "$PWD" "$3"
        [ -z "${5:-}" ] || printf '%s\n' "$5"
    } >"$work/$1.yaml"
    start "$1" $first "$proxywasm" serve "$work/$1.yaml"
}

# An nginx that answers with a few bytes.
nginx_upstream() { # PORT
    cat >"$work/nginx.conf" <<CONF
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.error;
daemon off;
events {}
http {
    access_log off;
    keepalive_requests 1000000000;
    server { listen 127.0.0.1:$1; location / { return 200 "hello\n"; } }
}
CONF
    start "$1" $others nginx -c "$work/nginx.conf"
}

# Waits until there are answers.
ready() { # PORT
    for _ in $(seq 100); do
        curl -sf "http://127.0.0.1:$1/" >/dev/null && return
        sleep 0.1
    done
    cat "$work/$1.log" >&2
    echo "port $1 does not answer" >&2
    exit 1
}

# Resident memory in KiB; of what a program of Python starts, where it is one.
resident() { # PORT
    local pid=${pids[$1]} child
    child=$(pgrep -P "$pid" | head -n 1 || true)
    awk '/VmRSS/ { print $2 }' "/proc/${child:-$pid}/status"
}

median() { # FORMAT
    sort -n | awk -v format="$1" '{ v[NR] = $1 } END { printf format, v[int((NR + 1) / 2)] }'
}
