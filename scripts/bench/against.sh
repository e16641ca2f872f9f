#!/usr/bin/env bash
# The part of scripts/bench.sh --against COMMIT, which sources this file: the program of that commit (`before`)
# beside the present one (`now`), by turns, in one table. The column "now / before" is the median of the rounds' own
# ratios, since what else the machine does changes from round to round.
# shellcheck disable=SC2154 # bench.sh sets what is not set here

compare_with() {
    local commit
    commit=$(git -C "$root" rev-parse --verify --quiet "$1^{commit}") || {
        echo "bench.sh: there is no commit $1 here" >&2
        return 2
    }
    build_before "$commit"
    echo_conditions ", before: ${commit:0:7}"
    echo
    echo "| | before | now | now / before |"
    echo "|---|---|---|---|"
    compare_requests
    compare_downloads
    compare_viewers
    compare_bursts
}

# All in the folder of this run, which goes at its end.
build_before() {
    mkdir "$work/before"
    git -C "$root" archive "$1" | tar -x -C "$work/before"
    (cd "$work/before" && cargo build --release --locked --quiet --target-dir "$work/before-target")
}

# run_version before-TRACE|now-TRACE FILE PORT: becomes that program. TRACE: off, or text to a file or to /dev/null.
run_version() {
    local program=$heapserve trace=text to=/dev/null
    case $1 in before-*) program=$work/before-target/release/heapserve ;; esac
    case $1 in
        *-off) trace=off ;;
        # To be emptied between rounds.
        *-file) to=$work/$1.log ;;
    esac
    exec "$program" -b 127.0.0.1 -p "$3" --trace "$trace" "$2" > /dev/null 2>> "$to"
}

# turn ROUND NAME...: the names, each round beginning with the next one.
turn() {
    local shift_by=$(($1 % ($# - 1)))
    shift
    echo "${@:shift_by + 1}" "${@:1:shift_by}"
}

# row LABEL FORMAT BEFORE-FILE NOW-FILE: one line of the table, from files of a figure a round.
row() {
    local ratios
    ratios=$(paste "$4" "$3" | awk '{ print $1 / $2 }' | spread %.3f)
    echo "| $1 | $(spread "$2" < "$3") | $(spread "$2" < "$4") | $ratios |"
}

compare_requests() {
    local name trace said
    local servers=(before-off now-off before-file now-file before-null now-null)
    for name in "${servers[@]}"; do start "$name" "$work/40.bin"; done
    for ((round = 0; round < rounds; round++)); do
        for name in $(turn "$round" "${servers[@]}"); do
            ask "$name" "$work/40.bin" "Range: bytes=1000-1099"
            if grep 'Non-2xx\|Socket errors' "$work/wrk" >&2; then return 1; fi
            : > "$work/${name%-*}-file.log"
        done
    done
    for trace in off file null; do
        case $trace in
            off) said='no trace' ;;
            file) said='text trace to a file' ;;
            null) said='text trace to /dev/null' ;;
        esac
        row "requests/s of 100 bytes, 16 connections kept alive, $said" %.0f "$work/before-$trace.rps" "$work/now-$trace.rps"
    done
    stop_all
}

compare_downloads() {
    local name clients
    for name in before-off now-off; do start "$name" "$work/40.bin"; done
    for clients in 1 4 16; do
        rm -f "$work"/*.speed "$work"/*.cpu
        for ((round = 0; round < rounds; round++)); do
            for name in $(turn "$round" before-off now-off); do download "$name" "$work/40.bin" "$clients"; done
        done
        row "GB/s, 40 MiB, clients: $clients" %.2f "$work/before-off.speed" "$work/now-off.speed"
        row "CPU ms per GB, 40 MiB, clients: $clients" %.0f "$work/before-off.cpu" "$work/now-off.cpu"
    done
    stop_all
}

# A fresh server for each figure: what threads have touched stays resident.
compare_viewers() {
    local name
    for ((round = 0; round < rounds; round++)); do
        for name in $(turn "$round" before-off now-off); do
            start "$name" "$work/40.bin"
            python3 "$root/scripts/bench/viewers.py" "${port[$name]}" "$viewers" "${pids[$name]}" >> "$work/$name.rss"
            stop_all
        done
    done
    row "RSS of a held viewer, KiB, of $viewers" %.1f "$work/before-off.rss" "$work/now-off.rss"
}

compare_bursts() {
    local name count bursts=(500 2000)
    [ "$rounds" -gt 1 ] || bursts=(50 200)
    for name in before-off now-off; do start "$name" "$work/40.bin"; done
    for count in "${bursts[@]}"; do
        rm -f "$work"/*.burst
        # Short ones: twice as many.
        for ((round = 0; round < 2 * rounds; round++)); do
            for name in $(turn "$round" before-off now-off); do
                python3 -B "$root/scripts/bench/burst.py" "${port[$name]}" "$count" >> "$work/$name.burst"
            done
        done
        row "slowest of $count connections at once, ms" %.0f "$work/before-off.burst" "$work/now-off.burst"
    done
    stop_all
}
