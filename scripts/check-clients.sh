#!/usr/bin/env bash
# Real programs against both modes: what people download, resume, play and cache with. Each result is
# compared with the file byte for byte, and where it matters the server's trace is read too, for a client
# can also get the right bytes in a way that it need not have gone.
set -euo pipefail
# What the clients say is read, and no proxy may come between.
export LC_ALL=C PATH=$PATH:/usr/sbin
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

name=${0##*/}
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
usage="Usage: $name
Builds the server, serves media/powder-day.mp4 in each mode, and lets curl, wget, aria2, ffmpeg and
nginx (as a cache in front) at it. A line for each thing that works, or does not; takes half a minute.
Exit code: 0 if all works, 1 if anything does not, 2 if a tool is missing or an option is wrong."

say() { printf '%s\n' "$*" >&2; }
fail() { say "$name: $*"; exit 1; }

file=$root/media/powder-day.mp4
target=${CARGO_TARGET_DIR:-$root/target}
work='' server='' proxy='' passed=0 failed=0 # server, proxy: the leaders of two process groups

# Names of programs, and of the Debian packages that have them.
find_tools() {
  local tool package missing=''
  while read -r tool package; do
    command -v "$tool" >/dev/null ||
      missing+="$name: there is no $tool in PATH; Debian has it in the package $package"$'\n'
  done <<<$'cargo cargo\ncurl curl\nwget wget\naria2c aria2\nffmpeg ffmpeg\nffprobe ffmpeg\nnginx nginx'
  [[ $(nginx -V 2>&1) == *http_slice_module* || -n $missing ]] ||
    missing="$name: this nginx was built without its slice module; Debian's package nginx has it"$'\n'
  [[ -z $missing ]] || { printf %s "$missing" >&2; exit 2; }
}

# in_group VARIABLE COMMAND...: starts it in a process group of its own, and leaves the group's number in
# VARIABLE. So one kill reaches all of it, and Ctrl-C nobody but us.
in_group() {
  set -m
  "${@:2}" </dev/null &
  set +m
  printf -v "$1" %s "$!"
}

clean_up() {
  trap '' EXIT INT TERM
  for group in $proxy $server; do kill -TERM -- "-$group" 2>/dev/null || :; done
  { wait; } 2>/dev/null || : # bash would tell of each one killed
  [[ -z $work ]] || rm -rf -- "$work"
}

# start_server MODE FILE: leaves its address in `url`, its trace in the file $trace.
start_server() {
  trace=$work/trace
  in_group server "$target/release/heapserve" -p 0 -m "$1" --trace json -- "$2" >"$work/ready" 2>"$trace"
  for ((try = 0; try < 100; try++)); do
    # "heapserve: MODE URL (FILE, SIZE)", once connections are accepted.
    if read -r _ _ url _ <"$work/ready"; then return; fi
    sleep 0.1; kill -0 "$server" 2>/dev/null || break
  done
  fail "the server did not start in $1 mode: $(head -n 1 "$trace")"
}

# stop VARIABLE: ends a group by its leader, and passes on how it ended.
stop() { kill -TERM "${!1}" && wait "${!1}" && printf -v "$1" ''; }

# check WHAT COMMAND...: runs COMMAND in an empty folder. It fails with the last thing that it says.
check() {
  local said code
  rm -rf -- "$work/box" && mkdir -- "$work/box"
  mark
  # Not in an `if`: there, bash would not stop COMMAND where it fails.
  set +e
  said=$(set -e; cd -- "$work/box"; "${@:2}" 2>&1)
  code=$?
  set -e
  if ((code == 0)); then
    passed=$((passed + 1))
    printf 'ok   %s: %s\n' "$mode" "$1"
  else
    failed=$((failed + 1))
    said=${said##*$'\n'}
    printf 'FAIL %s: %s: %s\n' "$mode" "$1" "${said:-exit code $code}"
  fi
}

# For use in checks. ----------------------------------------------------------------------------------

because() { echo "$*"; return 1; }
equal() { [[ $1 == "$2" ]] || because "$3 is '$1' instead of '$2'"; } # FOUND WANTED WHAT
is_file() { cmp -- "$1" "$file"; }
first_bytes() { head -c "$1" -- "$file"; }

get() { curl -q -fsS --max-time 30 "$@"; }
status_of() { curl -q -sS --max-time 30 -o /dev/null -w '%{http_code}' "$@"; }
fetch() { wget --no-config -nv --tries 1 --timeout 20 "$@" "${url}powder-day.mp4"; }

# How many requests the trace tells of since the check began, or since `mark`, that match. It tells of them
# when they end, which can be a moment after the client has gone.
mark() { sleep 0.1; seen=$(wc -l <"$trace"); }
requests() { sleep 0.2; tail -n "+$((seen + 1))" "$trace" | grep '"event":"request"' | grep -c -- "$1" || :; }
told_totals() { tail -n 1 "$trace" | grep '^{"event":"stopped"' || because "its last line is $(tail -n 1 "$trace")"; }
no_failures() { ! grep -e '"outcome":"failed"' -e '"status":5' -- "$trace"; }

# The checks. -----------------------------------------------------------------------------------------

curl_whole() { get -o got "$url" && is_file got; }
curl_beyond() { equal "$(status_of -r "$size-" "$url")" 416 status; }

curl_range() { # RANGE FIRST LENGTH
  equal "$(get -r "$1" -o got -w '%{http_code}' "$url")" 206 status
  first_bytes $(($2 + $3)) | tail -c "$3" | cmp - got
}

curl_resumes() {
  first_bytes 10000001 >got
  get -C - -o got "$url"
  is_file got
  equal "$(requests '"range":\[10000001,')" 1 'number of requests for the rest'
}

# Upon 416, curl compares the Content-Range with what it has, and is content. Old ones say 33, which is no
# harm as long as the file is left alone. (With -f, all of them say 22.)
curl_has_it_all() {
  local code=0
  cp -- "$file" got
  curl -q -sS --max-time 30 -C - -o got "$url" || code=$?
  ((code == 0 || code == 33)) || because "curl ends with $code"
  is_file got
}

curl_if_modified_since() {
  equal "$(get -z "$file" -o got -w '%{http_code} %{size_download}' "$url")" '304 0' 'status and size'
  equal "$(status_of -z '1 January 2001' -r 0-0 "$url")" 206 'status since 2001'
}

curl_own_name() { # URL NAME
  get -OJ "$1"
  equal "$(ls)" "$2" 'name'
  is_file "$2"
}

wget_resumes() {
  first_bytes 20000003 >powder-day.mp4
  fetch -c
  is_file powder-day.mp4
  equal "$(requests '"range":\[20000003,')" 1 'number of requests for the rest'
}

wget_has_it_all() {
  cp -- "$file" powder-day.mp4
  fetch -c --verbose 2>said || because "wget ends with $?"
  grep -q 'nothing to do' said || because "wget does not say that there is nothing to do"
  is_file powder-day.mp4
}

aria2_in_parts() {
  aria2c --no-conf -q -x 8 -s 8 -k 1M --file-allocation=none --timeout 20 -o got "$url"
  is_file got
  (($(requests '"status":206') > 3)) || because "aria2 asked for hardly any ranges"
}

ffprobe_reads() {
  ffprobe -v error -show_entries format=duration:stream=codec_name -of default=nw=1:nk=1 "$url" >about
  [[ $(tr '\n' ' ' <about) =~ ^h264\ aac\ (59\.[5-9]|60\.[0-4])[0-9]*\ $ ]] || because "it reads $(tr '\n' ' ' <about)"
}

ffmpeg_seeks() {
  ffmpeg -v error -nostdin -ss 30 -i "$url" -frames:v 1 over-http.png
  ffmpeg -v error -nostdin -ss 30 -i "$file" -frames:v 1 from-disk.png
  cmp over-http.png from-disk.png
}

# nginx in front, with a cache. -----------------------------------------------------------------------

nginx_config() { # PORT OUR-PORT; every path is below the prefix
  # Root would else be somebody who may not enter our folder.
  ((EUID != 0)) || echo "user $(id -un) $(id -gn);"
  cat <<END
daemon off; worker_processes 1; pid nginx.pid; error_log stderr; events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  proxy_cache_path cache keys_zone=cache:1m; proxy_cache cache;
  upstream ours { server 127.0.0.1:$2; keepalive 4; }
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host localhost;
  add_header X-Cache \$upstream_cache_status;
  server {
    listen 127.0.0.1:$1;
    location = /ready { return 200 "$work"; }
    location = /sliced { # asked for, and kept, a mebibyte at a time
      slice 1m; proxy_cache_key \$uri\$slice_range; proxy_set_header Range \$slice_range;
      proxy_set_header Host localhost;
      proxy_cache_valid 206 1h; proxy_pass http://ours/;
    }
    location = /whole { # good for two seconds, then asked whether it still is
      proxy_cache_key \$uri; proxy_cache_revalidate on;
      proxy_cache_valid 200 2s; proxy_pass http://ours/;
    }
    # A location with a proxy_set_header of its own inherits none. Without one for Host, nginx sends what
    # proxy_pass names.
    location = /by-address { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://127.0.0.1:$2/; }
    location = /by-name { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://localhost:$2/; }
    location = /by-group { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://ours/; }
    location = /passed-on { proxy_cache off; proxy_set_header Host \$http_host; proxy_pass http://ours/; }
  }
}
END
}

# nginx cannot be given "any free port", so some are tried. Leaves its address in `front`.
start_nginx() {
  local prefix=$work/nginx-$mode ours=${url##*:}
  for attempt in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 10000)) front=http://127.0.0.1:$port
    mkdir -p -- "$prefix"
    nginx_config "$port" "${ours%/}" >"$prefix/nginx.conf"
    in_group proxy nginx -p "$prefix/" -c "$prefix/nginx.conf" 2>"$work/nginx.said"
    while kill -0 "$proxy" 2>/dev/null; do
      # It may be another program's port, but that program does not know our folder.
      [[ $(get "$front/ready" 2>/dev/null) != "$work" ]] || return 0
      sleep 0.1
    done
    wait "$proxy" || proxy=''
  done
  fail "nginx did not start in $attempt attempts: $(tail -n 1 "$work/nginx.said")"
}

through() { # PATH CACHE-STATUS
  get -D fields -o got "$front$1"
  is_file got
  equal "$(tr -d '\r' <fields | sed -n 's/^X-Cache: //p')" "$2" "nginx's cache status"
}

nginx_slices() {
  through /sliced MISS
  equal "$(requests '"status":206')" $(((size + 1048575) / 1048576)) 'number of requests for slices'
}

nginx_slices_again() {
  through /sliced HIT
  get -r 5000000-7999999 -o got "$front/sliced"
  first_bytes 8000000 | tail -c 3000000 | cmp - got
  equal "$(requests .)" 0 'number of new requests'
}

nginx_revalidates() {
  through /whole MISS
  mark
  through /whole HIT
  equal "$(requests .)" 0 'number of requests while it was fresh'
  sleep 3.2 # nginx counts whole seconds
  through /whole REVALIDATED
  equal "$(requests '"status":304') of $(requests .)" '1 of 1' 'number of answers 304, of all'
}

nginx_default_host() {
  local path
  for path in /by-address /by-name; do
    get -o got "$front$path"
    is_file got
  done
}

nginx_other_host() {
  equal "$(status_of -H 'Host: localhost' "$front/passed-on")" 200 'status of localhost'
  equal "$(status_of -H 'Host: example.org' "$front/passed-on")" 421 'status of a name'
  equal "$(status_of "$front/by-group")" 421 'status of the name of an upstream group'
}

check_mode() {
  start_server "$mode" "$file"
  check 'curl: whole' curl_whole
  check 'curl -r: the first byte' curl_range 0-0 0 1
  check 'curl -r: some in the middle' curl_range 1234567-8901234 1234567 7666668
  check 'curl -r: beyond the end' curl_range $((size - 99999))-99999999 $((size - 99999)) 99999
  check 'curl -r: the last byte' curl_range $((size - 1))- $((size - 1)) 1
  check 'curl -r: the last 1000' curl_range -1000 $((size - 1000)) 1000
  check 'curl -r: nothing there, 416' curl_beyond
  check 'curl -C -: resumes' curl_resumes
  check 'curl -C -: leaves a complete file' curl_has_it_all
  check 'curl -z: not modified, 304' curl_if_modified_since
  check 'curl -OJ: saves under the name' curl_own_name "${url}powder-day.mp4" powder-day.mp4
  check 'wget -c: resumes' wget_resumes
  check 'wget -c: leaves a complete file' wget_has_it_all
  check 'aria2c -x 8: in parts, all at once' aria2_in_parts
  check 'ffprobe: a minute of h264 and aac' ffprobe_reads
  check 'ffmpeg -ss 30: the same picture as from disk' ffmpeg_seeks
  start_nginx
  check 'nginx: slices' nginx_slices
  check 'nginx: slices from the cache, without us' nginx_slices_again
  check 'nginx: revalidates, 304' nginx_revalidates
  check 'nginx: proxy_pass with its own Host' nginx_default_host
  check 'nginx: another Host is refused, 421' nginx_other_host
  stop proxy || :
  stop server || echo "exit code $?" >>"$trace"
  check 'stops, and tells its totals' told_totals
  check 'no request failed inside' no_failures
  start_server "$mode" "$work/$odd_name"
  check 'curl -OJ: a name with quotes, spaces, percent, ß' curl_own_name "$url$odd_path" "${odd_name//\"/_}"
  stop server || :
}

case ${1-} in
  '') find_tools ;;
  -h | --help) printf '%s\n' "$usage"; exit ;;
  *) say "$name: there is no option '$1', nor any but --help; see $name --help"; exit 2 ;;
esac
[[ -f $file ]] || fail "there is no media/powder-day.mp4; scripts/make-media.sh makes it"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d "${TMPDIR:-/tmp}/heapserve-clients.XXXXXX")
size=$(($(wc -c <"$file")))
odd_name='Schnee "weiß" 100%.mp4' odd_path=Schnee%20%22wei%C3%9F%22%20100%25.mp4
ln -s -- "$file" "$work/$odd_name"
say "building the server"
cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" --target-dir "$target" ||
  fail "the server does not build; cargo says why above"
for mode in buffer stream; do check_mode; done
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
