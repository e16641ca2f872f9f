#!/usr/bin/env bash
# Measures heapserve beside nginx, Node and Python on this machine.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/script.sh
. "$here/lib/script.sh"
# shellcheck source=scripts/lib/server.sh
. "$here/lib/server.sh"
# shellcheck source=scripts/lib/nginx.sh
. "$here/lib/nginx.sh"
# shellcheck source=scripts/bench/figures.sh
. "$here/bench/figures.sh"
# shellcheck source=scripts/bench/servers.sh
. "$here/bench/servers.sh"
# shellcheck source=scripts/bench/clients.sh
. "$here/bench/clients.sh"
# shellcheck source=scripts/bench/tables.sh
. "$here/bench/tables.sh"
# shellcheck source=scripts/bench/against.sh
. "$here/bench/against.sh"

usage() {
  cat <<END
Usage: $name [--rounds N] [--smoke] [--against COMMIT | --write | TABLE...]
Measures heapserve beside nginx, Node and Python's http.server on this machine, and prints Markdown tables. Takes about
twelve minutes. Any failed transfer ends it with an error. Needs Linux, curl, wrk, nginx, node, python3 and pgrep.
  TABLE             print only this one: ${tables[*]}
  --against COMMIT  measure this program beside that of COMMIT instead, in about seven minutes
  --rounds N        1 to 99 rounds (default: 5)
  --write           put the tables into scripts/README.md instead of printing them
  --smoke           one round, and less of everything, to see that it works; the figures mean nothing
  -h, --help        print this text
Each figure is the median of the rounds, with the lowest and the highest, unless its row says otherwise. In a round,
each server runs alone for a while; the next round begins with the next server.
END
}

tables=(throughput memory viewers requests first_byte program)
wanted=() invoked="scripts/bench.sh $*" against='' writes=''
rounds=5 wrk_seconds=4 volume_mib=2048 large_mib=256 client_counts=(1 4 16)
viewers=1000 settle_seconds=7 first_bytes=5 starts=5 smoke=''

read_options() {
  while (($#)); do
    case $1 in
      -h | --help) usage; exit ;;
      --smoke)
        smoke=1 rounds=1 wrk_seconds=1 volume_mib=64 large_mib=48 client_counts=(1 4)
        viewers=50 settle_seconds=0 first_bytes=1 starts=1 ;;
      --rounds | --against)
        [[ -n ${2-} ]] || wrong "$1 needs a value after it"
        if [[ $1 == --rounds ]]; then rounds=$2; else against=$2; fi
        shift ;;
      --write) writes=1 ;;
      -*) wrong "there is no option $1; there are --rounds, --smoke, --write and --against" ;;
      *)
        [[ " ${tables[*]} " == *" $1 "* ]] || wrong "there is no table '$1'; there are ${tables[*]}"
        wanted+=("$1") ;;
    esac
    shift
  done
  [[ $rounds =~ ^[1-9][0-9]?$ ]] || wrong "--rounds must be a whole number from 1 to 99, not '$rounds'"
  [[ -z $against || -z ${wanted[*]-} ]] || wrong "--against has one table of its own; name none"
  [[ -z $writes || -z ${wanted[*]-}$against ]] || wrong "--write is for all tables; name none"
}

prepare() {
  local tools=(cargo curl wrk python3 pgrep:procps)
  if [[ -n $against ]]; then tools+=(git); else tools+=(nginx node:nodejs rustc); fi
  need_tools "${tools[@]}"
  # python3 may be a script that looks for an interpreter.
  python=$(python3 -c 'import sys; print(sys.executable)')
  cores=$(nproc) wrk_threads=$(($(nproc) > 1 ? $(nproc) / 2 : 1))
  # heapserve and Node raise their own limit of descriptors to the hard one; nginx and Python get the same.
  ulimit -Sn "$(ulimit -Hn)"
  begin_work
  figures=$work/figures
  mkdir "$figures"
  build_heapserve
  head -c $((40 << 20)) /dev/urandom >"$work/40.bin"
  head -c $((large_mib << 20)) /dev/urandom >"$work/$large_mib.bin"
  head -c 100 /dev/urandom >"$work/100.bytes"
}

# conditions PROGRAMS
conditions() {
  cat <<END
Measured on $(date -u +%F) with \`${invoked% }\`: $cores cores ($(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)), Linux $(uname -r | cut -d- -f1), $("$heapserve" --version)$1. Rounds: $rounds; the median (lowest to highest).

The server under test runs alone, and is started anew for each round. Before each measurement, the script compares a
download with the file, byte for byte, and sends some requests to warm the server up. The order of the servers changes
from round to round. A transfer that fails ends the run. The clients (curl, wrk) use the same cores as the server, and nothing is pinned to a
core. All traffic is on loopback and all files are in the page cache, so neither a network nor a disk is measured.
END
}

read_options "$@"
prepare
if [[ -n $against ]]; then
  compare_with "$against"
  exit
fi
report() {
  local table
  conditions ", $(nginx -v 2>&1 | sed 's/.*nginx/nginx/'), Node $(node --version), $("$python" --version)"
  cat <<END
nginx has one worker for each core, with sendfile and tcp_nopush. Node and Python run as one process each; the Node
programs are in scripts/peers.
END
  for table in "${wanted[@]:-${tables[@]}}"; do
    echo
    "$table"
  done
}

# Replaces what stands after the heading "Measurements", which is the last one.
write_report() {
  report >"$work/report"
  sed '/^## Measurements$/q' "$here/README.md" >"$work/README.md"
  { echo; cat "$work/report"; } >>"$work/README.md"
  cp "$work/README.md" "$here/README.md"
}

if [[ -n $writes ]]; then write_report; else report; fi
