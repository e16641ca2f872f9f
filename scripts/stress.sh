#!/usr/bin/env bash
# Load, faults and attacks against the release build, on loopback only: one line per row, `ok` or what fell short,
# and a last line with how many passed and failed. Bounded in count and time; stops what it starts.
#
#   scripts/stress.sh                    every row in full, some ten minutes
#   scripts/stress.sh --short            fewer rounds, and no bounds in milliseconds: some four minutes
#   scripts/stress.sh [--short] NAME...  these rows only: resets, W1 (all rows of that wall), '*descriptors*'
set -euo pipefail

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }

for argument; do
    case $argument in
        -h | --help) usage; exit 0 ;;
        --short) ;;
        -*) echo "stress.sh: unknown option $argument; there is --short" >&2; exit 2 ;;
    esac
done

for tool in python3 curl wrk; do
    command -v "$tool" > /dev/null || { echo "stress.sh: $tool is missing (Debian: apt-get install $tool)" >&2; exit 2; }
done

root=$(cd "$(dirname "$0")/.." && pwd)
(cd "$root" && cargo build --release --quiet)
program="${CARGO_TARGET_DIR:-$root/target}/release/heapserve"

# Thousands of clients of one process need as many descriptors.
ulimit -n "$(ulimit -Hn)"
exec python3 -B "$root/scripts/stress/run.py" "$program" "$@"
