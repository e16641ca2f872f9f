#!/usr/bin/env bash
# Usage: load.sh [-n VIEWERS] [-r RATE] [URL]
# Downloads URL many times at once with curl. Prints how many downloads succeeded, how many bytes they got, and, if the
# server is heapserve, what it says of the run. Meanwhile, watch the server's trace or its page /heap.
#   -n VIEWERS   how many at once (default: 20)
#   -r RATE      the most that each downloads in a second: bytes, or with K, M or G as for curl's --limit-rate. With a
#                rate the downloads overlap, as when people watch; 8M suits the sample video (default: no limit)
#   URL          what to download (default: http://localhost:3000/)
#   -h, --help   print this text
# Exit code: 0 if all succeeded, 1 if any failed, 2 if an option is wrong.
# Needs curl (7.75 or newer), awk and bash (3.2 as on macOS, or Git Bash).
set -euo pipefail
export LC_ALL=C # awk must write a decimal point
name=${0##*/} viewers=20 rate='' url=''

say() { printf '%s\n' "$*" >&2; }
wrong() { say "$name: $*; see $name --help"; exit 2; }

while (($#)); do
  case $1 in
    -h | --help) sed -n 's/^# //p; /^set/q' "${BASH_SOURCE[0]}"; exit ;;
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
[[ $viewers =~ ^[1-9][0-9]{0,3}$ ]] || wrong "-n must be a whole number from 1 to 9999, not '$viewers'"
[[ ${rate:-1} =~ ^[1-9][0-9]{0,11}[kKmMgG]?$ ]] || wrong "-r must be a rate such as 500K or 8M, not '$rate'"
command -v curl >/dev/null || { say "$name: curl is not in PATH"; exit 2; }

# One curl for each 100 viewers, since a process may not open many connections. Each download leaves a line: curl's exit
# code, the status, the bytes, the seconds, and curl's message. A body that is shorter than its Content-Length is a
# failure (18). A server that is silent for half a minute is given up. A proxy would be measured instead of it.
start_curls() {
  local left few i each
  for ((left = viewers; left > 0; left -= few)); do
    few=$((left < 100 ? left : 100)) each=()
    for ((i = 0; i < few; i++)); do each+=(-o /dev/null "$url"); done
    curl -q -g -s --parallel --parallel-immediate --parallel-max "$few" ${rate:+--limit-rate "$rate"} \
      --connect-timeout 10 --speed-time 30 --speed-limit 1 --noproxy 'localhost,127.0.0.1,::1' \
      -w '%{exitcode}\t%{http_code}\t%{size_download}\t%{time_total}\t%{errormsg}\n' "${each[@]}" >"$work/$left" &
  done
}

# last_run SECONDS: the last run of the server, one JSON object, when none goes on any more. Nothing if one still does
# after so many seconds, or if it is no heapserve.
last_run() {
  local end=$((SECONDS + $1)) sample
  while sample=$(curl -q -gfs --noproxy '*' --max-time 5 "$(grep -oE '^(https?://)?[^/]+' <<<"$url")/heap.json"); do
    [[ $sample != *'"run":null'* ]] || { printf '%s\n' "${sample##*'"last_run":'}"; return; }
    ((SECONDS < end)) || return 0
    sleep 0.1
  done
}

# Fails if a download has failed.
report() {
  awk -F '\t' -v viewers="$viewers" -v url="$url" -v name="$name" -v before="$before" -v run="$(last_run 10)" '
    function size(bytes,   i) {
      if (bytes == "") return "unknown"
      for (i = 0; bytes >= 1024 && i < 3; i++) bytes /= 1024
      return sprintf(i ? "%.1f %s" : "%d %s", bytes, substr("bytesKiB  MiB  GiB  ", 5 * i + 1, i ? 3 : 5))
    }
    function figure(key) { # "" for null
      return match(run, "\"" key "\":[0-9]+") ? substr(run, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : ""
    }
    function ms(key) { return figure(key) == "" ? "unknown" : sprintf("%.1f ms", figure(key) / 1000) }
    { bytes += $3; if ($1 == 0 && $4 > slowest) slowest = $4 }
    $1 == 6 || $1 == 7 { unreached++ }
    $1 != 0 || ($2 != 200 && $2 != 206) { failed++; reasons[$1 ? $5 : "HTTP status " $2]++ }
    END {
      if (NR < viewers) { failed += viewers - NR; reasons["never started"] = viewers - NR }
      printf "%d of %d succeeded, %s in all", viewers - failed, viewers, size(bytes + 0)
      print slowest ? sprintf(", the slowest took %.1f s", slowest) : ""
      if (run != before && figure("requests") != "") {
        printf "the server: %d requests, %d at once, heap peak %s; each held ", figure("requests"), figure("at_once"), \
          size(figure("heap_peak"))
        least = size(figure("request_peak_min")); most = size(figure("request_peak_max"))
        print (least == most ? most : least " to " most) "; first byte: median " ms("first_byte_us_median") \
          ", worst " ms("first_byte_us_max")
      }
      fflush()
      if (unreached == viewers)
        print name ": no server answers at " url "; start one, for example with: cargo run --release" >"/dev/stderr"
      else if (failed) {
        print name ": " failed " failed:" >"/dev/stderr"
        for (reason in reasons) printf "%7d %s\n", reasons[reason], reason >"/dev/stderr"
      }
      exit failed > 0
    }' "$work"/*
}

work=$(mktemp -d "${TMPDIR:-/tmp}/heapserve.XXXXXX")
trap 'kill $(jobs -p) 2>/dev/null || :; rm -rf -- "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
say "$viewers viewers at once of $url${rate:+, each at most $rate bytes/s}"
before=$(last_run 0)
start_curls
wait
report
