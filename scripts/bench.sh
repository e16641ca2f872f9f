#!/usr/bin/env bash
# Measures heapserve beside nginx, Node and Python, in one run on this machine, and prints Markdown tables.
#
#   scripts/bench.sh                     all of it, some ten minutes
#   scripts/bench.sh --against COMMIT    instead: beside the program of that commit, some six minutes
#   scripts/bench.sh --smoke [...]       one short round of each, to see that it works; its figures mean nothing
#
# Every measure alternates between the servers; the median of the rounds is printed, with the lowest and the
# highest. CPU is the server's own user and system time, memory its peak resident set, both from /proc, so this
# needs Linux; and it needs curl, wrk and python3; without --against nginx and node too.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
invoked="scripts/bench.sh $*" against='' tools=(curl wrk nginx node python3)
rounds=5 wrk_seconds=4 start_rounds=21 viewers=1000 volume=4096
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
        --smoke) rounds=1 wrk_seconds=1 start_rounds=3 viewers=50 volume=256 ;;
        --against)
            [ $# -gt 1 ] || { echo "bench.sh: --against needs a commit" >&2; exit 2; }
            against=$2 tools=(curl wrk python3 git)
            shift
            ;;
        *) echo "bench.sh: unknown option $1; there are --smoke and --against COMMIT" >&2; exit 2 ;;
    esac
    shift
done
for tool in "${tools[@]}"; do
    command -v "$tool" > /dev/null || { echo "bench.sh: $tool is missing (Debian: apt-get install ${tool/node/nodejs})" >&2; exit 2; }
done
# The same for every server, and enough for a thousand clients of one process.
ulimit -n "$(ulimit -Hn)"

work=$(mktemp -d)
declare -A port pids
stop_all() {
    # shellcheck disable=SC2086 # several processes a server
    for name in "${!pids[@]}"; do kill ${pids[$name]} 2> /dev/null || true; done
    pids=()
    wait 2> /dev/null || true
}
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

(cd "$root" && cargo build --release --quiet)
target=${CARGO_TARGET_DIR:-$root/target}
heapserve=$target/release/heapserve
head -c $((40 << 20)) /dev/urandom > "$work/40.bin"
head -c $((256 << 20)) /dev/urandom > "$work/256.bin"
head -c 100 /dev/urandom > "$work/100.bin"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start NAME FILE: a server of that name that serves the file at /.
start() {
    local name=$1 file=$2 p
    p=$(free_port)
    case $name in
        heapserve-*) "$heapserve" -m "${name#heapserve-}" -b 127.0.0.1 -p "$p" --trace off "$file" > /dev/null 2>&1 & ;;
        before-* | now-*) run_version "$name" "$file" "$p" & ;;
        traced) "$heapserve" -b 127.0.0.1 -p "$p" --trace text "$file" > /dev/null 2> "$work/trace.log" & ;;
        node-*) node "$root/scripts/peers/${name#node-}.mjs" "$file" "$p" & ;;
        python) (cd "$(dirname "$file")" && exec python3 -m http.server -b 127.0.0.1 "$p" > /dev/null 2>&1) & ;;
        nginx)
            mkdir -p "$work/nginx"
            cat > "$work/nginx/conf" << CONF
$([ "$(id -u)" != 0 ] || echo 'user root;') worker_processes 2; daemon off; pid $work/nginx/pid; error_log $work/nginx/error;
events { worker_connections 4096; }
http {
    access_log off; sendfile on; keepalive_requests 100000000;
    client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p; fastcgi_temp_path $work/nginx/f;
    uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s;
    server { listen 127.0.0.1:$p backlog=4096; location = / { root $work; rewrite ^ /$(basename "$file") break; } }
}
CONF
            nginx -c "$work/nginx/conf" 2> /dev/null &
            ;;
    esac
    pids[$name]=$!
    port[$name]=$p
    until curl -s -o /dev/null -r 0-0 "$(url "$name" "$file")"; do sleep 0.02; done
    [ "$name" != nginx ] || pids[$name]="$! $(pgrep -P "$!" | tr '\n' ' ')"
    # What is measured must be the file, to the byte.
    curl -s "$(url "$name" "$file")" | cmp - "$file"
}

url() { if [ "$1" = python ]; then echo "http://127.0.0.1:${port[$1]}/$(basename "$2")"; else echo "http://127.0.0.1:${port[$1]}/"; fi; }

# Sums over the processes of a server: user and system time in ms, and the peak resident set in KiB.
cpu_ms() { for pid in ${pids[$1]}; do awk '{ print $14 + $15 }' "/proc/$pid/stat"; done | awk -v hz="$(getconf CLK_TCK)" '{ t += $1 } END { print t * 1000 / hz }'; }
peak_kib() { for pid in ${pids[$1]}; do awk '/VmHWM/ { print $2 }' "/proc/$pid/status"; done | awk '{ t += $1 } END { print t }'; }

# Reads numbers; prints "median (lowest to highest)".
spread() { sort -g | awk -v f="${1:-%.2f}" '{ v[NR] = $1 } END { printf f " (" f " to " f ")", v[int((NR + 1) / 2)], v[1], v[NR] }'; }
median_of() { sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$(median_of "$1")" -v b="$(median_of "$2")" 'BEGIN { printf "%.2f", a / b }'; }

# download NAME FILE CLIENTS: appends GB/s and CPU ms per GB to the measure's files. Each client must get every byte.
download() {
    local name=$1 file=$2 clients=$3 each i began cpu bytes
    local size; size=$(stat -c %s "$file")
    each=$(((volume << 20) / size / clients))
    [ "$each" -gt 0 ] || each=1
    bytes=$((size * each * clients))
    local -a jobs=() urls=()
    for ((i = 0; i < each; i++)); do urls+=(-o /dev/null "$(url "$name" "$file")"); done
    cpu=$(cpu_ms "$name") began=$EPOCHREALTIME
    for ((i = 0; i < clients; i++)); do
        curl -s --fail -w '%{size_download}\n' "${urls[@]}" > "$work/bytes.$i" & jobs+=($!)
    done
    for i in "${jobs[@]}"; do wait "$i"; done
    awk -v b="$bytes" -v t0="$began" -v t1="$EPOCHREALTIME" 'BEGIN { print b / 1e9 / (t1 - t0) }' >> "$work/$name.speed"
    awk -v b="$bytes" -v c0="$cpu" -v c1="$(cpu_ms "$name")" 'BEGIN { print (c1 - c0) / (b / 1e9) }' >> "$work/$name.cpu"
    cat "$work"/bytes.* | awk -v want="$bytes" -v name="$name" '{ got += $1 } END { if (got != want) { print name ": " got " bytes instead of " want > "/dev/stderr"; exit 1 } }'
    rm "$work"/bytes.*
}

throughput() {
    local file clients name
    local servers=(heapserve-stream nginx node-stream python heapserve-buffer node-buffer)
    echo "| File, clients | Server | GB/s | to nginx | to its Node twin | CPU ms per GB | to nginx | to its Node twin |"
    echo "|---|---|---|---|---|---|---|---|"
    for file in "$work/40.bin" "$work/256.bin"; do
        for name in "${servers[@]}"; do start "$name" "$file"; done
        for clients in 1 4 16; do
            rm -f "$work"/*.speed "$work"/*.cpu
            for ((round = 0; round < rounds; round++)); do
                for name in "${servers[@]}"; do download "$name" "$file" "$clients"; done
            done
            for name in "${servers[@]}"; do
                local twin=node-stream
                case $name in *buffer) twin=node-buffer ;; esac
                echo "| $(basename "$file" .bin) MiB, $clients | $name | $(spread < "$work/$name.speed") | $(ratio "$work/$name.speed" "$work/nginx.speed") | $(ratio "$work/$name.speed" "$work/$twin.speed") | $(spread %.0f < "$work/$name.cpu") | $(ratio "$work/$name.cpu" "$work/nginx.cpu") | $(ratio "$work/$name.cpu" "$work/$twin.cpu") |"
            done
        done
        stop_all
    done
}

# Twenty clients at once, on fresh servers: the peak resident set.
memory() {
    local name i
    echo "| 20 clients at 40 MiB | Peak RSS, MiB |"
    echo "|---|---|"
    for name in heapserve-stream nginx node-stream heapserve-buffer node-buffer; do
        rm -f "$work/rss"
        for ((round = 0; round < rounds; round++)); do
            start "$name" "$work/40.bin"
            local -a jobs=()
            for ((i = 0; i < 20; i++)); do curl -s --limit-rate 40M -o /dev/null "$(url "$name" "$work/40.bin")" & jobs+=($!); done
            wait "${jobs[@]}"
            peak_kib "$name" | awk '{ print $1 / 1024 }' >> "$work/rss"
            stop_all
        done
        echo "| $name | $(spread %.1f < "$work/rss") |"
    done
    echo
    echo "| $viewers viewers held at 40 MiB | RSS each, KiB |"
    echo "|---|---|"
    for name in heapserve-stream nginx node-stream; do
        start "$name" "$work/40.bin"
        # shellcheck disable=SC2086 # several processes a server
        echo "| $name | $(python3 "$root/scripts/bench/viewers.py" "${port[$name]}" "$viewers" ${pids[$name]}) |"
        stop_all
    done
}

# ask NAME FILE [HEADER]: appends requests per second and the 99th percentile in ms.
ask() {
    wrk -t 1 -c 16 -d "$wrk_seconds" --latency ${3:+-H "$3"} "$(url "$1" "$2")" > "$work/wrk"
    awk '/Requests\/sec/ { print $2 }' "$work/wrk" >> "$work/$1.rps"
    awk '$1 == "99%" { n = $2 + 0; if ($2 ~ /us$/) n /= 1000; else if ($2 ~ /[0-9]s$/ && $2 !~ /ms$/) n *= 1000; print n }' "$work/wrk" >> "$work/$1.p99"
}

small_requests() {
    local name
    rm -f "$work"/*.rps "$work"/*.p99
    for name in heapserve-stream nginx traced; do start "$name" "$work/40.bin"; done
    start node-stream "$work/100.bin"
    for ((round = 0; round < rounds; round++)); do
        for name in heapserve-stream nginx traced; do ask "$name" "$work/40.bin" "Range: bytes=1000-1099"; done
        ask node-stream "$work/100.bin"
    done
    echo "| 100 bytes, kept alive, 16 connections | Requests/s | to Node | 99 % within, ms |"
    echo "|---|---|---|---|"
    for name in heapserve-stream traced nginx node-stream; do
        echo "| ${name/traced/heapserve-stream, trace to a file} | $(spread %.0f < "$work/$name.rps") | $(ratio "$work/$name.rps" "$work/node-stream.rps") | $(spread < "$work/$name.p99") |"
    done
    echo
    echo "The trace costs $(awk -v a="$(median_of "$work/traced.rps")" -v b="$(median_of "$work/heapserve-stream.rps")" 'BEGIN { printf "%.1f %%", 100 * (1 - a / b) }') of the requests per second."
    stop_all
}

first_byte() {
    local name
    echo "| 256 MiB, one client | First byte after, ms |"
    echo "|---|---|"
    for name in heapserve-buffer heapserve-stream node-buffer node-stream nginx; do
        start "$name" "$work/256.bin"
        for ((i = 0; i < start_rounds; i++)); do
            curl -s -o /dev/null -w '%{time_starttransfer}\n' --max-time 0.5 "$(url "$name" "$work/256.bin")" || true
        done | awk '{ print $1 * 1000 }' > "$work/first"
        echo "| $name | $(spread < "$work/first") |"
        stop_all
    done
}

program_itself() {
    local i began kind
    for ((i = 0; i < start_rounds; i++)); do
        began=$EPOCHREALTIME
        "$heapserve" -p 0 --trace off "$work/100.bin" > "$work/ready" 2> /dev/null &
        while ! [ -s "$work/ready" ]; do :; done
        awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { print 1000 * (b - a) }' >> "$work/ready.ms"
        kill $!
        wait $! || true
        : > "$work/ready"
    done
    echo "| The program itself | |"
    echo "|---|---|"
    echo "| start to ready line, ms (the shell's fork and look included) | $(spread < "$work/ready.ms") |"
    echo "| release binary, stripped, KiB | $(($(stat -c %s "$heapserve") / 1024)) |"
    for kind in counting system; do
        rustc --edition 2024 -C opt-level=3 -C lto=fat ${kind:+--cfg "$kind"} -A unexpected_cfgs -L "$target/release/deps" \
            --extern "stats_alloc=$(ls "$target"/release/deps/libstats_alloc-*.rlib)" -o "$work/$kind" "$root/scripts/bench/allocator.rs"
        for ((i = 0; i < rounds; i++)); do "$work/$kind"; done > "$work/ns"
        echo "| one 64-byte allocation and its end, ns, ${kind/system/the system\'s allocator alone} | $(spread %.1f < "$work/ns") |"
    done
    if [ "$volume" -gt 1000 ]; then
        began=$EPOCHREALTIME
        (cd "$root" && cargo build --release --quiet --target-dir "$work/build")
        echo "| clean release build, s | $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f", b - a }') |"
    fi
}

echo_conditions() {
    echo "Measured on $(date -u +%F) with \`$invoked\`: $(nproc) cores ($(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)), Linux $(uname -r | cut -d- -f1), $("$heapserve" --version)$1. Median of $rounds rounds (lowest to highest)."
}

if [ -n "$against" ]; then
    # shellcheck source=/dev/null
    . "$root/scripts/bench/against.sh"
    compare_with "$against"
    exit
fi
echo_conditions ", $(nginx -v 2>&1 | sed 's/.*nginx/nginx/'), Node $(node --version), $(python3 --version)"
for part in throughput memory small_requests first_byte program_itself; do
    echo
    "$part"
done
