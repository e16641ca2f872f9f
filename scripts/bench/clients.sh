# shellcheck shell=bash
# The clients of scripts/bench.sh. Each fails the run if it did not get all that it asked for.
# shellcheck disable=SC2154 # bench.sh sets what is not set here

# download CLIENTS EACH [OPTION...]: so many curls at the same time, each of which downloads the file so many times.
# Leaves in `seconds` how long all of it took, and in `bytes` how much it was. The start of the curls is not in it: each
# has started when it has opened its FIFO, where it waits for the list of URLs.
seconds='' bytes=''
download() {
  local i gate began list='' jobs=() gates=()
  for ((i = 0; i < $2; i++)); do list+="url = \"$file_url\""$'\noutput = "/dev/null"\n'; done
  rm -f "$work"/gate.* "$work"/got.*
  for ((i = 0; i < $1; i++)); do
    mkfifo "$work/gate.$i"
    "${curl_client[@]}" -w '%{http_code} %{size_download}\n' "${@:3}" -K "$work/gate.$i" >"$work/got.$i" &
    jobs+=($!)
  done
  # After all curls: one that inherits the FIFO of another would keep it open.
  for ((i = 0; i < $1; i++)); do
    exec {gate}<>"$work/gate.$i"
    gates+=("$gate")
    within 20 has_opened "${jobs[i]}" "$work/gate.$i" || fail "a curl did not start"
  done
  began=$EPOCHREALTIME
  for gate in "${gates[@]}"; do
    printf %s "$list" >&"$gate"
    exec {gate}>&-
  done
  for i in "${jobs[@]}"; do wait "$i" || fail "a curl failed with exit code $? at $file_url"; done
  seconds=$(calculate %.6f "$EPOCHREALTIME - $began")
  bytes=$(($(stat -c %s "$work/${file_url##*/}") * $1 * $2))
  cat "$work"/got.* | awk -v want="$bytes" '{ got += $1 == 200 ? $2 : 0 } END { exit got != want }' ||
    fail "the curls did not get $bytes bytes from $file_url"
}

has_opened() { # PROCESS FILE
  local descriptor
  for descriptor in "/proc/$1/fd"/*; do
    [[ ! $descriptor -ef $2 ]] || return 0
  done
  return 1
}

cpu_ms() { "$python" "$root/scripts/bench/process.py" cpu "${pids[@]}"; }

# measure_download NAME MEASURE CLIENTS: records GB/s as MEASURE.speed, and the server's CPU ms per GB as MEASURE.cpu.
measure_download() {
  local cpu_before cpu_after each=$(((volume_mib << 20) / $(stat -c %s "$work/${file_url##*/}") / $2))
  cpu_before=$(cpu_ms)
  download "$2" $((each > 0 ? each : 1))
  cpu_after=$(cpu_ms)
  record "$1.speed" "$(calculate %.4f "$bytes / 1e9 / $seconds")"
  record "$1.cpu" "$(calculate %.2f "($cpu_after - $cpu_before) / ($bytes / 1e9)")"
}

# So that what a server does once (threads, a compiler's work, memory from the system) is not measured.
warm_up() { download 2 1; }

# ask SECONDS [HEADER]: wrk's requests on 16 connections, kept alive. Leaves its report in $work/wrk, and in `busy` how
# much of its threads' time wrk was on a CPU, in %.
ask() {
  local TIMEFORMAT='%U %S %R'
  { time wrk -t "$wrk_threads" -c 16 -d "$1" --latency ${2:+-H "$2"} "$file_url" >"$work/wrk" 2>&1; } 2>"$work/wrk.time" ||
    fail "wrk failed: $(head -n 1 "$work/wrk")"
  ! grep 'Non-2xx\|Socket errors\|unable' "$work/wrk" >&2 || fail "requests failed at $file_url"
  busy=$(awk -v threads="$wrk_threads" '{ printf "%.0f", 100 * ($1 + $2) / $3 / threads }' "$work/wrk.time")
}

# measure_requests MEASURE [HEADER]: records MEASURE.rps, MEASURE.p99 (in ms) and MEASURE.busy (in %).
measure_requests() {
  local busy
  ask 1 "${@:2}"
  ask "$wrk_seconds" "${@:2}"
  record "$1.rps" "$(awk '/Requests\/sec/ { print $2 }' "$work/wrk")"
  record "$1.p99" "$(awk '$1 == "99%" {
    ms = $2 + 0
    if ($2 ~ /us$/) ms /= 1000; else if ($2 ~ /[0-9]s$/) ms *= 1000
    print ms
  }' "$work/wrk")"
  record "$1.busy" "$busy"
}

# Prints after how many ms the first byte of an answer came. It asks for the whole file, but reads one byte of it.
first_byte_ms() {
  local read_bytes
  # curl ends with 23, since nobody reads the rest.
  read_bytes=$("${curl_client[@]}" -w '%{stderr}answer %{http_code} %{time_starttransfer}\n' "$file_url" \
    2>"$work/first" | head -c 1 | wc -c) || :
  awk -v read_bytes="$read_bytes" '
    match($0, /answer [0-9]+ [0-9.]+/) { split(substr($0, RSTART, RLENGTH), said, " ") }
    END {
      if (read_bytes != 1 || said[2] != 200 || said[3] + 0 <= 0) exit 1
      printf "%.3f\n", 1000 * said[3]
    }' "$work/first" || fail "no first byte came from $file_url: $(head -n 1 "$work/first")"
}

# measure_peak MEASURE COMMAND...: runs COMMAND, and records the highest PSS of the server meanwhile, in MiB.
measure_peak() {
  local sampler until
  rm -f "$work/until" && mkfifo "$work/until"
  "$python" "$root/scripts/bench/process.py" peak "${pids[@]}" <"$work/until" >"$work/peak" &
  sampler=$!
  exec {until}>"$work/until"
  "${@:2}"
  exec {until}>&-
  wait "$sampler"
  record "$1" "$(calculate %.2f "$(<"$work/peak") / 1024")"
}
