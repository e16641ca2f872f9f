# shellcheck shell=bash
# scripts/bench.sh --against COMMIT: the program of that commit ("before") beside this one ("now"), in one table. The
# column "now / before" is the median of the ratios of each round, since the machine's other load differs from round
# to round.
# shellcheck disable=SC2154 # bench.sh and the library set what is not set here

compare_with() { # COMMIT
  local commit
  commit=$(git -C "$root" rev-parse --verify --quiet "$1^{commit}") || wrong "there is no commit '$1' here"
  build_before "$commit"
  conditions ", before: ${commit:0:7}"
  echo
  echo "| | before | now | now / before |"
  echo "|---|---|---|---|"
  compare_requests
  compare_downloads
  compare_viewers
  compare_bursts
}

build_before() { # COMMIT
  say "building heapserve of commit ${1:0:7}"
  mkdir "$work/before"
  git -C "$root" archive "$1" | tar -x -C "$work/before"
  cargo build --release --locked --quiet --manifest-path "$work/before/Cargo.toml" --target-dir "$work/before-target"
}

# run_version before-TRACE|now-TRACE FILE. TRACE: off, or text to a file or to /dev/null.
run_version() {
  local program=$heapserve trace=text to=/dev/null
  case $1 in before-*) program=$work/before-target/release/heapserve ;; esac
  case $1 in
    *-off) trace=off ;;
    *-file) to=$work/trace ;;
  esac
  run_heapserve "$program" "$to" --trace "$trace" "$2"
}

# row LABEL FORMAT MEASURE-BEFORE MEASURE-NOW
row() {
  local ratios
  ratios=$(paste "$figures/$4" "$figures/$3" | awk '{ print $1 / $2 }' | spread %.3f)
  echo "| $1 | $(shown "$3" "$2") | $(shown "$4" "$2") | $ratios |"
}

compare_requests() {
  local trace said
  in_turn range_requests_of "$work/40.bin" before-off now-off before-file now-file before-null now-null
  for trace in off file null; do
    case $trace in
      off) said='no trace' ;;
      file) said='text trace to a file' ;;
      null) said='text trace to /dev/null' ;;
    esac
    row "requests/s of 100 bytes, 16 connections kept alive, $said" %.0f "before-$trace.rps" "now-$trace.rps"
  done
}

range_requests_of() { measure_requests "$1" "Range: bytes=1000-1099"; } # SERVER

compare_downloads() {
  local clients
  in_turn throughput_of "$work/40.bin" before-off now-off
  for clients in "${client_counts[@]}"; do
    row "GB/s, 40 MiB, clients: $clients" %.2f "40.bin.$clients.before-off.speed" "40.bin.$clients.now-off.speed"
    row "CPU ms per GB, 40 MiB, clients: $clients" %.0f "40.bin.$clients.before-off.cpu" "40.bin.$clients.now-off.cpu"
  done
}

compare_viewers() {
  in_turn viewers_of "$work/40.bin" before-off now-off
  row "memory (PSS) of a held viewer, KiB, of $viewers" %.1f before-off.held now-off.held
}

compare_bursts() {
  local count bursts=(500 2000)
  [[ -z $smoke ]] || bursts=(50 200)
  for count in "${bursts[@]}"; do
    in_turn bursts_of "$work/40.bin" before-off now-off
    row "slowest of $count connections at once, ms, 2 bursts a round" %.0f "$count.before-off.burst" "$count.now-off.burst"
  done
}

# The first of three warms the server up.
bursts_of() { # SERVER
  local i ms
  for i in 0 1 2; do
    ms=$("$python" -B "$root/scripts/bench/burst.py" "$(port_of "$url")" "$count")
    ((i == 0)) || record "$count.$1.burst" "$ms"
  done
}
