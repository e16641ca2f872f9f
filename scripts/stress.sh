#!/usr/bin/env bash
# Load, faults and attacks against the release build. The rows are in scripts/stress/rows.py.
set -euo pipefail
# shellcheck source=scripts/lib/script.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/script.sh"
# shellcheck source=scripts/lib/server.sh
. "$lib/server.sh"

usage() {
  cat <<END
Usage: $name [--short] [--program PATH] [--mode MODE] [ROW...]
       $name --list [ROW...]
Runs load, faults and attacks against heapserve, on loopback. Prints one line for each row: \`ok\` or \`FAIL\`, what
the row does, what was wrong, and its figures. The last line counts the rows that passed and failed.
  --short         fewer rounds and clients, several rows at once, in under three minutes. Times and shares of the CPU
                  are shown, but decide nothing: a busy machine can pass. The full run needs an idle machine
  --program PATH  another heapserve (default: builds this one)
  --mode MODE     the mode of the rows that do not need a certain one (default: stream)
  --list          print the rows, with the limits of each and what it demands
  ROW             run these rows only: a name (resets), a pattern ('*descriptors*'), or the number of a wall (W1)
  -h, --help      print this help
Exit code: 0 if all rows passed, 1 if one failed, 2 if the command line is wrong or a tool is missing.
END
}

options=() rows=() builds=yes
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    --short | --list) options+=("$1") ;;
    --program | --mode)
      (($# > 1)) || wrong "$1 needs a value after it"
      case $1=$2 in
        --program=*) [[ -x $2 ]] || wrong "$2 is not a program"; heapserve=$(realpath -- "$2") builds='' ;;
        --mode=buffer | --mode=stream) options+=("$1" "$2") ;;
        *) wrong "the mode is buffer or stream, not '$2'" ;;
      esac
      shift ;;
    -*) wrong "there is no option $1" ;;
    *) rows+=("$1") ;;
  esac
  shift
done
need_tools cargo curl python3
[[ " ${options[*]-} " == *' --list '* || -z $builds ]] || build_heapserve

# One process opens thousands of connections.
ulimit -n "$(ulimit -Hn)"
PYTHONPATH=$lib exec python3 -B "$root/scripts/stress/run.py" --program "$heapserve" \
  ${options[@]+"${options[@]}"} ${rows[@]+"${rows[@]}"}
