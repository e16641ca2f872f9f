#!/usr/bin/env bash
# Load, faults and attacks against the release build. The rows are in scripts/stress/.
set -euo pipefail

usage() {
    cat << END
Usage: ${0##*/} [--short] [ROW...]
Runs load, faults and attacks against heapserve, on loopback. Prints one line for each row: \`ok\` or \`FAIL\`, what
the row does, what was wrong, and its figures. The last line counts the rows that passed and failed.
  --short     fewer rounds and clients (the figures in brackets), several rows at once, in about two minutes. No close
              bounds on time, CPU or memory: a busy machine can pass. The full run takes some ten minutes and
              needs an idle machine
  ROW         run these rows only: a name (resets), a pattern ('*descriptors*'), or the number of a wall (W1)
  -h, --help  print this help
  CARGO_TARGET_DIR  the folder of the build, as for cargo
Exit code: 0 if all rows passed, 1 if one failed, 2 if the command line is wrong or a tool is missing.
END
}

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

for argument; do
    case $argument in
        -h | --help) usage; exit 0 ;;
        --short) ;;
        -*) say "unknown option $argument; see ${0##*/} --help"; exit 2 ;;
    esac
done
for tool in cargo curl python3 wrk; do
    command -v "$tool" > /dev/null || { say "$tool is missing (Debian: apt-get install $tool)"; exit 2; }
done

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" --target-dir "$target"

# One process opens thousands of connections.
ulimit -n "$(ulimit -Hn)"
PYTHONPATH=$root/scripts/lib exec python3 -B "$root/scripts/stress/run.py" "$target/release/heapserve" "$@"
