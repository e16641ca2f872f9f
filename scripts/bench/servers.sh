# shellcheck shell=bash
# The servers that scripts/bench.sh measures, one at a time. To be sourced after lib/nginx.sh.
# shellcheck disable=SC2154 # bench.sh and the library set what is not set here

pids=()     # all processes of the server that runs
file_url='' # of the file that it serves
curl_client=(curl -q -gsS --fail --noproxy '*')

# start NAME FILE: starts that server, and compares the file that it serves byte for byte.
start() {
  local file=$2
  case $1 in
    heapserve-*) run_heapserve "$heapserve" /dev/null --mode "${1#heapserve-}" --trace off "$file" ;;
    traced-stream) run_heapserve "$heapserve" "$work/trace" --mode stream --trace text "$file" ;;
    before-* | now-*) run_version "$1" "$file" ;;
    node-*) run_server "$1" "$work/said" node "$root/scripts/peers/${1#node-}.mjs" "$file" 0 ;;
    # -u: the line with the address must not wait in a buffer. It logs each request, as the traced heapserve does.
    python) run_server "$1" /dev/null "$python" -u -m http.server -b 127.0.0.1 -d "$work" 0 ;;
    nginx) run_nginx ;;
  esac
  [[ $1 == nginx ]] || pids=("$server")
  file_url=$url${file##*/}
  "${curl_client[@]}" "$file_url" | cmp - "$file" || fail "$1 does not serve the file as it is"
}

run_server() { # NAME STDERR COMMAND...
  start_server "$work/ready" "${@:2}" || fail "$1 did not start: $(head -n 1 "$2")"
}

run_heapserve() { # PROGRAM STDERR ARGUMENT...
  run_server "$1" "$2" "$1" --bind 127.0.0.1 --port 0 "${@:3}"
}

run_nginx() {
  start_nginx server "$work/nginx" nginx_config
  url=$front
  within 10 has_workers || fail "nginx did not start $cores workers"
}

has_workers() {
  mapfile -t pids < <(pgrep -P "$server")
  ((${#pids[@]} == cores)) && pids+=("$server")
}

nginx_config() { # PORT
  nginx_main "$cores" 4096
  cat <<END
http {
  $(nginx_http)
  sendfile on; tcp_nopush on; keepalive_requests 100000000;
  server { listen 127.0.0.1:$1 backlog=4096; root $work; default_type video/mp4; $(nginx_ready) }
}
END
}

# How it ends is not measured; most end by the signal.
finish() { stop server || :; }
