#!/usr/bin/env bash
# Many viewers at once: runs n curls against a server that is already up, and tells how they fared.
# Meanwhile, watch the server's trace, or its page /heap.
set -euo pipefail
export LC_ALL=C # for awk's decimal point and the order of sort

name=${0##*/}
usage="Usage: $name [-n VIEWERS] [-r RATE] [URL]
Downloads URL with many curls at the same time, and says how many succeeded, how many bytes came
in all, and how long the first byte took.
  -n VIEWERS   how many at once (default: 20)
  -r RATE      the most that each may take in a second: bytes, or with K, M, G as for curl's
               --limit-rate (default: no limit). With a rate the downloads overlap, as those of
               people who watch do; 8M suits the sample video
  URL          what to download (default: http://localhost:3000/)
  -h, --help   this text
Exit code: 0 if all succeeded, 1 if any failed, 2 if an option is wrong."

say() { printf '%s\n' "$*" >&2; }
wrong() { say "$name: $*; see $name --help"; exit 2; }

viewers=20 rate='' url='' work='' load=''

read_options() {
  while (($#)); do
    case $1 in
      -h | --help) printf '%s\n' "$usage"; exit ;;
      -n | -r)
        (($# > 1)) || wrong "$1 needs a value after it"
        if [[ $1 == -n ]]; then viewers=$2; else rate=$2; fi
        shift ;;
      -?*) wrong "there is no option $1; there are -n and -r" ;;
      *) [[ -z $url ]] || wrong "one URL at a time, and '$1' would be the second"; url=$1 ;;
    esac
    shift
  done
  url=${url:-http://localhost:3000/}
  [[ $viewers =~ ^[1-9][0-9]{0,3}$ ]] || wrong "-n '$viewers' is no number of viewers; give 1 to 9999"
  [[ -z $rate || $rate =~ ^[1-9][0-9]{0,11}[kKmMgG]?$ ]] || wrong "-r '$rate' is no rate; give one such as 500K or 8M"
  command -v curl >/dev/null || { say "$name: needs curl, but there is none in PATH"; exit 1; }
}

# The curls run in a process group of their own, so that one kill reaches them all.
clean_up() {
  trap '' EXIT INT TERM
  [[ -z $load ]] || kill -TERM -- "-$load" 2>/dev/null || :
  { wait; } 2>/dev/null || : # bash would tell of each one killed
  [[ -z $work ]] || rm -rf -- "$work"
}

# view NUMBER: one viewer. Leaves a line in NUMBER.end when it is done: curl's exit code, then
# status, bytes, and the seconds to the first byte and to the last.
# curl itself calls a body that is shorter than its Content-Length a failure (18). One that gets
# nothing for half a minute gives up; otherwise a server that hangs would hang us.
view() {
  local code=0 figures options=(-gsS -o /dev/null --connect-timeout 10 --speed-time 30 --speed-limit 1)
  [[ -z $rate ]] || options+=(--limit-rate "$rate")
  # No proxy for this machine: it would be measured instead.
  options+=(--noproxy 'localhost,127.0.0.1,::1' -w '%{http_code} %{size_download} %{time_starttransfer} %{time_total}')
  figures=$(curl -q "${options[@]}" -- "$url" 2>"$work/$1.said") || code=$?
  printf '%s %s\n' "$code" "$figures" >"$work/$1.end"
}

view_all() {
  local i
  for ((i = 1; i <= viewers; i++)); do view "$i" & done
  wait
}

done_so_far() {
  local ends=("$work"/*.end)
  [[ -e ${ends[0]} ]] && echo "${#ends[@]}" || echo 0
}

# Rewrites one line on a terminal, and says nothing in a log.
show_progress() {
  [[ ! -t 2 ]] || printf '\r%s of %s done' "$(done_so_far)" "$viewers" >&2
}

run() {
  say "$viewers viewers at once of $url${rate:+, each at most $rate bytes/s}"
  set -m # only so that the group is one of its own
  view_all </dev/null &
  load=$!
  set +m
  while kill -0 "$load" 2>/dev/null; do
    show_progress
    sleep 0.2
  done
  wait "$load"
  load=''
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# Why viewer NUMBER failed; nothing if it did not.
why_failed() {
  local code status
  read -r code status _ <"$work/$1.end"
  if ((code != 0)); then
    head -n 1 "$work/$1.said"
  elif [[ $status != 200 && $status != 206 ]]; then
    echo "HTTP status $status"
  fi
}

# Couldn't resolve (6) or connect (7), for every one of them.
nobody_answered() { ! grep -qv '^[67] ' "$work"/*.end; }

report() {
  local i
  for ((i = 1; i <= viewers; i++)); do why_failed "$i"; done >"$work/failures"
  local failed
  failed=$(($(wc -l <"$work/failures")))
  # The failed ones have no first byte that counts.
  cat "$work"/*.end | awk '$1 == 0 && ($2 == 200 || $2 == 206) { print $4, $5 }' | sort -n >"$work/times"
  cat "$work"/*.end | awk -v all="$viewers" -v failed="$failed" -v times="$work/times" '
    function size(b) {
      if (b < 1024) return sprintf("%d bytes", b)
      if (b < 1048576) return sprintf("%.1f KiB", b / 1024)
      if (b < 1073741824) return sprintf("%.1f MiB", b / 1048576)
      return sprintf("%.1f GiB", b / 1073741824)
    }
    { bytes += $3 }
    END {
      while ((getline line < times) > 0) {
        split(line, time, " ")
        first[++n] = time[1] * 1000
        if (time[2] > slowest) slowest = time[2]
      }
      printf "%d of %d succeeded, %s in all", all - failed, all, size(bytes)
      if (n) {
        printf ", the slowest took %.1f s\n", slowest
        median = (first[int((n + 1) / 2)] + first[int(n / 2) + 1]) / 2
        printf "first byte: median %.1f ms, worst %.1f ms", median, first[n]
      }
      print ""
    }'
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
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d "${TMPDIR:-/tmp}/heapserve-load.XXXXXX")
run
report
