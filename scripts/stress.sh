#!/usr/bin/env bash
# Load and faults against the release build, on loopback only: one line per row, `ok` or what fell short, and
# a last line with how many passed and failed. Bounded in count and time; stops what it starts.
#
#   scripts/stress.sh            every row in full, some four minutes
#   scripts/stress.sh --short    the same rows with fewer rounds, about one minute
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }

case ${1:-} in
    -h | --help) usage; exit 0 ;;
    '' | --short) ;;
    *) echo "stress.sh: unknown option $1; there is --short" >&2; exit 2 ;;
esac

command -v python3 > /dev/null || { echo "stress.sh: python3 is missing (Debian: apt-get install python3)" >&2; exit 2; }

root=$(cd "$(dirname "$0")/.." && pwd)
(cd "$root" && cargo build --release --quiet)
program="${CARGO_TARGET_DIR:-$root/target}/release/heapserve"

# Thousands of clients of one process need as many descriptors.
ulimit -n "$(ulimit -Hn)"
exec python3 "$root/scripts/stress/rows.py" "$program" "$@"
