#!/usr/bin/env bash
# Many viewers at once on a server that is already up, each of them one curl.
set -euo pipefail
# shellcheck source=scripts/lib/script.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/script.sh"
# shellcheck source=scripts/lib/viewers.sh
. "$lib/viewers.sh"

usage() {
  cat <<END
Usage: $name [-n VIEWERS] [-r RATE] [URL]
Downloads URL with many curls at the same time. Prints how many succeeded, how many bytes they got, and, if the server
is heapserve, what it says of the run. Meanwhile, watch the server's trace or its page /heap.
  -n VIEWERS   how many at once (default: 20)
  -r RATE      the most that each downloads in a second: bytes, or with K, M or G as for curl's --limit-rate (default:
               no limit). With a rate the downloads overlap, as those of people who watch do; 8M suits the sample video
  URL          what to download (default: http://localhost:3000/)
  -h, --help   print this text
Exit code: 0 if all succeeded, 1 if any failed, 2 if an option is wrong.
END
}

url=''

read_options() {
  while (($#)); do
    case $1 in
      -h | --help) usage; exit ;;
      -n | -r)
        (($# > 1)) || wrong "$1 needs a value after it"
        if [[ $1 == -n ]]; then viewers=$2; else rate=$2; fi
        shift ;;
      -?*) wrong "there is no option $1; there are -n and -r" ;;
      *) [[ -z $url ]] || wrong "only one URL can be given, and '$1' is the second"; url=$1 ;;
    esac
    shift
  done
  url=${url:-http://localhost:3000/}
  check_viewers
  need_tools curl awk:gawk
}

# view NUMBER: one viewer. Leaves a line in NUMBER.end when it is done: curl's exit code, the status, the bytes, and
# the seconds to the last of them. For curl, a body shorter than its Content-Length is a failure (18).
view() {
  local code=0 figures
  # A proxy would be measured instead of a server on this machine.
  figures=$(curl_viewer -o /dev/null --noproxy 'localhost,127.0.0.1,::1' \
    -w '%{http_code} %{size_download} %{time_total}' -- "$url" 2>"$work/$1.said") || code=$?
  printf '%s %s\n' "$code" "$figures" >"$work/$1.end"
}

all_ends() { find "$work" -name '*.end' -exec cat {} +; }

# Rewrites one line on a terminal; prints nothing into a log.
show_progress() {
  [[ ! -t 2 ]] || printf '\r%s of %s done' "$(($(all_ends | wc -l)))" "$viewers" >&2
}

# Why viewer NUMBER failed; nothing if it did not.
why_failed() {
  local code status
  if ! read -r code status _ 2>/dev/null <"$work/$1.end"; then
    echo "never started, since the system refused a process"
  elif ((code != 0)); then
    head -n 1 "$work/$1.said"
  elif [[ $status != 200 && $status != 206 ]]; then
    echo "HTTP status $status"
  fi
}

# Every one of them could not resolve the name (6) or connect (7).
nobody_answered() { ! grep -qv '^[67] ' "$work/ends"; }

# What the server says of the run, if it is a heapserve.
report_run() {
  read_run "$(grep -oE '^(https?://)?[^/]+' <<<"$url")/" "$work/run" || return 0
  awk "$(<"$lib/run.awk")"'{
    least = size(figure("request_peak_min")); most = size(figure("request_peak_max"))
    printf "the server: %d requests, %d at once, heap peak %s", figure("requests"), figure("at_once"), size(figure("heap_peak"))
    if (figure("request_peak_max") != "") printf "; each held %s", least == most ? least : least " to " most
    if (figure("first_byte_us_max") != "") printf "; first byte: median %s ms, worst %.1f ms", \
      figure("first_byte_us_median") == "" ? "?" : sprintf("%.1f", figure("first_byte_us_median") / 1000), \
      figure("first_byte_us_max") / 1000
    print ""
  }' "$work/run"
}

report() {
  local i failed
  for ((i = 1; i <= viewers; i++)); do why_failed "$i"; done >"$work/failures"
  failed=$(($(wc -l <"$work/failures")))
  all_ends >"$work/ends"
  awk -v all="$viewers" -v failed="$failed" "$(<"$lib/run.awk")"'
    { bytes += $3 }
    $1 == 0 && $4 > slowest { slowest = $4 }
    END {
      printf "%d of %d succeeded, %s in all", all - failed, all, size(bytes + 0)
      print slowest ? sprintf(", the slowest took %.1f s", slowest) : ""
    }' "$work/ends"
  report_run
  ((failed == 0)) && return
  if nobody_answered; then
    say "$name: no server answers at $url; start one, for example with: cargo run --release"
  else
    say "$name: $failed failed:"
    sort "$work/failures" | uniq -c >&2
  fi
  return 1
}

read_options "$@"
begin_work
say "$viewers viewers at once of $url${rate:+, each at most $rate bytes/s}"
view_all 2 view
report
