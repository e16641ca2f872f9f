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
Usage: $name [-n VIEWERS] [-r RATE] [-f FILE] [--svg PICTURE]
Builds heapserve and starts it once in each mode. Many viewers download FILE at the same time, and each download is
compared with the file byte for byte. Prints how much heap either mode needed for them.
  -n VIEWERS      how many at once (default: 20); buffer mode needs memory for as many copies of FILE
  -r RATE         the most that each downloads in a second: bytes, or with K, M or G as for curl's --limit-rate
                  (default: a rate at which a download takes about five seconds)
  -f FILE         what to serve (default: media/powder-day.mp4 of this repository)
  --svg PICTURE   also draw both heaps over time, as SVG, into the file PICTURE
  -h, --help      print this text
Exit code: 0 if all succeeded, 1 if anything failed, 2 if an option is wrong.
END
}

file=$root/media/powder-day.mp4 svg=''
mode='' # the one that is being measured

read_options() {
  while (($#)); do
    case $1 in
      -h | --help) usage; exit ;;
      -n | -r | -f | --svg)
        [[ -n ${2-} ]] || wrong "$1 needs a value after it"
        case $1 in -n) viewers=$2 ;; -r) rate=$2 ;; -f) file=$2 ;; *) svg=$2 ;; esac
        shift ;;
      *) wrong "there is no option '$1'; there are -n, -r, -f and --svg" ;;
    esac
    shift
  done
  check_viewers
  [[ -f $file && -r $file ]] || wrong "cannot read '$file' (-f)"
  [[ -z $svg || (! -d $svg && -d $(dirname -- "$svg")) ]] ||
    wrong "cannot write '$svg' (--svg): it must be a file in a folder that exists"
  need_tools curl awk:gawk cmp:diffutils cargo
  file_bytes=$(($(wc -c <"$file")))
  # Many viewers take some time to start, and the first should still be there when the last comes.
  rate=${rate:-$((file_bytes / (5 + viewers / 20) + 1))}
}

# view NUMBER: one viewer, who stores nothing but compares what comes. Leaves a line in MODE.NUMBER.end: "ok", or
# the reason of the failure.
view() {
  local said=$work/$mode.$1.said
  if curl_viewer --noproxy '*' "$url" 2>>"$said" | cmp - "$file" >>"$said" 2>&1; then echo ok >"$said"; fi
  head -n 1 "$said" >"$work/$mode.$1.end"
}

all_ends() { find "$work" -name "$mode.*.end" -exec cat {} +; }

get_sample() { curl -q -gfsS --noproxy '*' --max-time 5 "${url}heap.json"; }
sample() { get_sample >>"$work/$mode.samples"; }
sample_on() { while sample; do sleep 0.08; done; } # about ten times a second
is_idle() { [[ $(get_sample) == *'"in_flight":0,'* ]]; }

# Rewrites one line on a terminal; prints nothing into a log.
show_progress() {
  [[ ! -t 2 ]] || printf '\r\033[K%s: %d of %d done, %s' "$mode" "$(($(all_ends | wc -l)))" "$viewers" \
    "$(awk -f "$lib/size.awk" -f "$root/scripts/compare/figure.awk" -f "$root/scripts/compare/progress.awk" \
      "$work/$mode.samples")" >&2
}

run() {
  # shellcheck disable=SC2034 # in_group sets it, and stop reads it
  local poll
  serve "$mode" "$work/$mode.ready" "$work/$mode.trace" --trace json -- "$file"
  say "$mode: $viewers viewers at once of $url, each at most $rate bytes/s"
  sample || fail "/heap.json did not answer in $mode mode"
  in_group poll sample_on 2>/dev/null
  view_all 4 view
  within 10 is_idle || fail "requests did not end in $mode mode: $(tail -n 1 "$work/$mode.trace")"
  stop poll || :
  echo >>"$work/$mode.samples" # the last one may have been cut off
  sample || fail "the server had ended too early in $mode mode: $(tail -n 1 "$work/$mode.trace")"
  stop_and_sum_up
}

# The server writes its totals when it gets a signal. Git Bash cannot send one to a Windows program, which is ended
# instead; the samples have the peaks all the same.
stop_and_sum_up() {
  local code=0
  stop server INT || code=$?
  ((code != 0)) || return 0
  case $(uname -s) in
    MINGW* | MSYS* | CYGWIN*) say "$name: warning: the server could not be stopped by a signal (exit code $code)" ;;
    *) fail "the server ended with exit code $code in $mode mode: $(tail -n 1 "$work/$mode.trace")" ;;
  esac
}

check() {
  local good
  good=$(all_ends | grep -cx ok) || :
  say "$mode: $good of $viewers downloads are equal to the file, byte for byte"
  ((good < viewers)) || return 0
  all_ends | grep -vx ok | sort | uniq -c | sort -rn | head -n 5 >&2 || :
  fail "the modes cannot be compared, since downloads failed"
}

# report PROGRAM: runs that awk program on what was read of both modes.
report() {
  local scripts=$root/scripts/compare
  SHOWN=${file##*/} awk -v viewers="$viewers" -v file_bytes="$file_bytes" -f "$lib/size.awk" \
    -f "$scripts/figure.awk" -f "$scripts/reading.awk" -f "$scripts/$1.awk" \
    mode=buffer "$work/buffer.trace" "$work/buffer.samples" mode=stream "$work/stream.trace" "$work/stream.samples"
}

read_options "$@"
begin_work
build_heapserve
for mode in buffer stream; do
  run
  check
done
report table
if [[ -n $svg ]]; then
  report picture >"$svg" || fail "cannot write '$svg'"
  say "$svg shows both heaps over time"
fi
