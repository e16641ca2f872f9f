#!/usr/bin/env bash
# The lesson in one command: the same viewers at once on both modes, and what each mode took of the heap.
# Needs cargo to build the server, and then no more than bash, curl and awk.
set -euo pipefail
# shellcheck source=scripts/lib/script.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/script.sh"
# shellcheck source=scripts/lib/server.sh
. "$lib/server.sh"
# shellcheck source=scripts/lib/viewers.sh
. "$lib/viewers.sh"

usage() {
  cat <<END
Usage: $name [-n VIEWERS] [-r RATE] [-f FILE] [--json] [--fail-above SIZE]
Builds heapserve and starts it once in each mode. Many viewers download FILE at the same time, and each download is
compared with the file byte for byte. Prints what the server says of both runs: how much memory each viewer held, and
how much heap all of them needed.
  -n VIEWERS          how many at once (default: 20); buffer mode needs memory for as many copies of FILE
  -r RATE             the most that each downloads in a second: bytes, or with K, M or G as for curl's --limit-rate
                      (default: a rate at which a download takes about five seconds)
  -f FILE             what to serve (default: media/powder-day.mp4 of this repository)
  --json              print both runs as one JSON object instead: {"buffer":RUN,"stream":RUN}
  --fail-above SIZE   fail if a viewer of stream mode held more than this: bytes, or with K, M or G
  -h, --help          print this text
Exit code: 0 if all succeeded, 1 if anything failed, 2 if an option is wrong.
END
}

file=$root/media/powder-day.mp4 json='' most='' most_bytes=''
mode='' # the one that is being measured

read_options() {
  while (($#)); do
    case $1 in
      -h | --help) usage; exit ;;
      --json) json=1 ;;
      -n | -r | -f | --fail-above)
        [[ -n ${2-} ]] || wrong "$1 needs a value after it"
        case $1 in -n) viewers=$2 ;; -r) rate=$2 ;; -f) file=$2 ;; *) most=$2 ;; esac
        shift ;;
      *) wrong "there is no option '$1'; there are -n, -r, -f, --json and --fail-above" ;;
    esac
    shift
  done
  check_viewers
  [[ -f $file && -r $file ]] || wrong "cannot read '$file' (-f)"
  read_most
  need_tools curl awk:gawk cmp:diffutils cargo
  file_bytes=$(($(wc -c <"$file")))
  # Many viewers take some time to start, and the first should still be there when the last comes.
  rate=${rate:-$((file_bytes / (5 + viewers / 20) + 1))}
}

read_most() {
  [[ -z $most || $most =~ ^([1-9][0-9]{0,11})([kKmMgG]?)$ ]] ||
    wrong "--fail-above must be a size such as 100000 or 128K, not '$most'"
  [[ -n $most ]] || return 0
  most_bytes=${BASH_REMATCH[1]}
  case ${BASH_REMATCH[2]} in
    [kK]) most_bytes=$((most_bytes << 10)) ;;
    [mM]) most_bytes=$((most_bytes << 20)) ;;
    [gG]) most_bytes=$((most_bytes << 30)) ;;
  esac
}

# view NUMBER: one viewer, who stores nothing but compares what comes. Leaves a line in MODE.NUMBER.end: "ok", or
# the reason of the failure.
view() {
  local said=$work/$mode.$1.said
  if curl_viewer -f --noproxy '*' "$url" 2>>"$said" | cmp - "$file" >>"$said" 2>&1; then echo ok >"$said"; fi
  head -n 1 "$said" >"$work/$mode.$1.end"
}

all_ends() { find "$work" -name "$mode.*.end" -exec cat {} +; }

# Rewrites one line on a terminal; prints nothing into a log.
show_progress() {
  [[ ! -t 2 ]] || printf '\r\033[K%s: %d of %d done' "$mode" "$(($(all_ends | wc -l)))" "$viewers" >&2
}

run() {
  serve "$mode" "$work/$mode.ready" "$work/$mode.trace" --trace json -- "$file"
  say "$mode: $viewers viewers at once of $url, each at most $rate bytes/s"
  view_all 4 view
  read_run "$url" "$work/$mode.run" || fail "the server tells of no run in $mode mode: $(tail -n 1 "$work/$mode.trace")"
  stop_server
}

# Git Bash cannot send a signal to a Windows program, which is ended instead.
stop_server() {
  local code=0
  stop server INT || code=$?
  case $(uname -s) in MINGW* | MSYS* | CYGWIN*) return 0 ;; esac
  ((code == 0)) || fail "the server ended with exit code $code in $mode mode: $(tail -n 1 "$work/$mode.trace")"
}

check() {
  local good
  good=$(all_ends | grep -cx ok) || :
  say "$mode: $good of $viewers downloads are equal to the file, byte for byte"
  ((good < viewers)) || return 0
  all_ends | grep -vx ok | sort | uniq -c | sort -rn | head -n 5 >&2 || :
  fail "the modes cannot be compared, since downloads failed"
}

report() {
  if [[ -n $json ]]; then
    printf '{"buffer":%s,"stream":%s}\n' "$(<"$work/buffer.run")" "$(<"$work/stream.run")"
  else
    SHOWN=${file##*/} awk -v viewers="$viewers" -v file_bytes="$file_bytes" -f "$lib/run.awk" \
      -f "$root/scripts/compare/table.awk" "$work/buffer.run" "$work/stream.run"
  fi
}

# fails if a viewer of stream held more than the user allows.
check_most() {
  local held
  held=$(figure request_peak_max "$work/stream.run")
  [[ -z $most || -n $held && $held -le $most_bytes ]] ||
    fail "a viewer of stream mode held ${held:-an unknown number of} bytes, more than $most (--fail-above)"
}

read_options "$@"
begin_work
build_heapserve
for mode in buffer stream; do
  run
  check
done
report
check_most
