# shellcheck shell=bash
# The tables of scripts/bench.sh, one function each.
# shellcheck disable=SC2154 # bench.sh sets what is not set here

# in_turn FUNCTION FILE SERVER...: in each round, starts each server with the file and runs FUNCTION SERVER.
in_turn() {
  local round server_name
  for ((round = 0; round < rounds; round++)); do
    for server_name in $(turn "$round" "${@:3}"); do
      start "$server_name" "$2"
      "$1" "$server_name"
      finish
    done
  done
}

throughput() {
  local mib clients name twin servers=(heapserve-stream nginx node-stream python heapserve-buffer node-buffer)
  echo "| File, clients | Server | GB/s | to nginx | to its Node twin | CPU ms per GB | to nginx | to its Node twin |"
  echo "|---|---|---|---|---|---|---|---|"
  for mib in 40 "$large_mib"; do
    in_turn throughput_of "$work/$mib.bin" "${servers[@]}"
    for clients in "${client_counts[@]}"; do
      for name in "${servers[@]}"; do
        case $name in *buffer) twin=node-buffer ;; *) twin=node-stream ;; esac
        throughput_row "$mib MiB, $clients" "$name" "$mib.bin.$clients" "$twin"
      done
    done
  done
  echo
  echo "CPU is the user and system time of the server's processes. Each client is a curl that has started before the"
  echo "measurement begins."
}

throughput_of() { # SERVER
  local clients
  warm_up
  for clients in "${client_counts[@]}"; do
    measure_download "${file_url##*/}.$clients.$1" "$clients"
  done
}

throughput_row() { # LABEL SERVER MEASURE TWIN
  local of=$3.$2
  echo "| $1 | $2 | $(shown "$of.speed" %.2f) | $(ratio "$of.speed" "$3.nginx.speed")" \
    "| $(ratio "$of.speed" "$3.$4.speed") | $(shown "$of.cpu" %.0f) | $(ratio "$of.cpu" "$3.nginx.cpu")" \
    "| $(ratio "$of.cpu" "$3.$4.cpu") |"
}

memory() {
  local name servers=(heapserve-stream nginx node-stream heapserve-buffer node-buffer)
  in_turn memory_of "$work/40.bin" "${servers[@]}"
  echo "| 20 clients at 40 MiB, each at most 40 MB/s | Peak memory, MiB |"
  echo "|---|---|"
  for name in "${servers[@]}"; do echo "| $name | $(shown "$name.peak" %.1f) |"; done
  echo
  echo "Memory is the PSS of all processes of the server, sampled every 20 ms: the resident set, in which a page that"
  echo "processes share counts once. The kernel's socket buffers are not in it. Python is not in this table."
}

memory_of() { measure_peak "$1.peak" download 20 1 --limit-rate 40M; } # SERVER

viewers() {
  local name servers=(heapserve-stream nginx node-stream)
  in_turn viewers_of "$work/40.bin" "${servers[@]}"
  echo "| $viewers viewers held at 40 MiB | Memory for each, KiB |"
  echo "|---|---|"
  for name in "${servers[@]}"; do echo "| $name | $(shown "$name.held" %.1f) |"; done
  echo
  echo "A viewer has the first bytes of its answer, and reads no further. The buffer modes are not in this table: they"
  echo "would need $viewers copies of the file."
}

viewers_of() { # SERVER
  local each
  each=$("$python" -B "$root/scripts/bench/viewers.py" "$(port_of "$url")" "/${file_url##*/}" "$viewers" \
    "$settle_seconds" "${pids[@]}")
  record "$1.held" "$each"
}

requests() {
  local name servers=(heapserve-stream traced-stream nginx node-stream)
  in_turn measure_requests "$work/100.bytes" "${servers[@]}"
  echo "| A file of 100 bytes, 16 connections kept alive | Requests/s | to Node | 99 % within, ms | wrk's threads busy, % |"
  echo "|---|---|---|---|---|"
  for name in "${servers[@]}"; do
    echo "| ${name/traced-stream/heapserve-stream, trace to a file} | $(shown "$name.rps" %.0f)" \
      "| $(ratio "$name.rps" node-stream.rps) | $(shown "$name.p99" %.2f) | $(shown "$name.busy" %.0f) |"
  done
  echo
  echo "The trace costs $(calculate '%.1f %%' \
    "100 * (1 - $(median_of traced-stream.rps) / $(median_of heapserve-stream.rps))") of the requests per second."
  echo "wrk uses $wrk_threads of the $cores cores at most. Where it is busy nearly all of the time, the client is the limit, and"
  echo "the server could answer more. Python is not in this table: its http.server closes every connection."
}

first_byte() {
  local name servers=(heapserve-stream nginx node-stream heapserve-buffer node-buffer)
  in_turn first_byte_of "$work/$large_mib.bin" "${servers[@]}"
  echo "| $large_mib MiB, one client | First byte after, ms |"
  echo "|---|---|"
  for name in "${servers[@]}"; do echo "| $name | $(shown "$name.first" %.2f) |"; done
  echo
  echo "Downloads of a server in each round, one after the other: $first_bytes; each of them counts. The time begins before"
  echo "the connection is opened. Python is not in this table."
}

first_byte_of() { # SERVER
  local i ms
  for ((i = 0; i < first_bytes; i++)); do
    ms=$(first_byte_ms)
    record "$1.first" "$ms"
  done
}

program() {
  local round kind
  compile_allocator
  for ((round = 0; round < rounds; round++)); do
    time_start
    for kind in $(turn "$round" counting system); do record "$kind.ns" "$("$work/$kind")"; done
  done
  echo "| The program itself | |"
  echo "|---|---|"
  echo "| from its start by the shell to its ready line, ms, $starts in each round | $(shown ready.ms %.2f) |"
  echo "| release binary, stripped, KiB | $(($(stat -c %s "$heapserve") / 1024)) |"
  echo "| one 64-byte allocation and its release, ns, with the counting allocator | $(shown counting.ns %.1f) |"
  echo "| one 64-byte allocation and its release, ns, with the system's allocator alone | $(shown system.ns %.1f) |"
  [[ -n $smoke ]] || echo "| clean release build, s, one build | $(time_build) |"
}

time_start() {
  local i began
  mkfifo "$work/first_line"
  for ((i = 0; i < starts; i++)); do
    began=$EPOCHREALTIME
    in_group server start_into_fifo
    read -r -t 20 _ <"$work/first_line" || fail "heapserve did not start: $(head -n 1 "$work/said")"
    record ready.ms "$(calculate %.3f "1000 * ($EPOCHREALTIME - $began)")"
    finish
  done
  rm "$work/first_line"
}

# A FIFO, since to look at a file again and again would take a core from the server. Only this process may open it.
start_into_fifo() {
  exec "$heapserve" --port 0 --trace off "$work/100.bytes" >"$work/first_line" 2>"$work/said"
}

time_build() {
  local began=$EPOCHREALTIME
  cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" --target-dir "$work/build"
  calculate %.0f "$EPOCHREALTIME - $began"
}

# cargo says which of the libraries in the target folder belongs to this build.
compile_allocator() {
  local library kind
  library=$(cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" --target-dir "$target" \
    --message-format json | sed -n 's/.*"\([^"]*libstats_alloc-[^"]*\.rlib\)".*/\1/p')
  [[ -f $library ]] || fail "cargo does not say where stats_alloc's library is"
  for kind in counting system; do
    rustc --edition 2024 -C opt-level=3 -C lto=fat --cfg "$kind" -A unexpected_cfgs -L "$target/release/deps" \
      --extern "stats_alloc=$library" -o "$work/$kind" "$root/scripts/bench/allocator.rs"
  done
}
