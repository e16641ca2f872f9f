#!/usr/bin/env bash
# Real programs against both modes: what people download, resume, play and cache with. Each result is
# compared with the file byte for byte, and where it matters the server's trace is read too, for a client
# can also get the right bytes in a way that it need not have gone.
set -euo pipefail
# What the clients say is read; and no proxy may come between.
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
work='' server='' proxy='' # a folder, and the leaders of two process groups
passed=0 failed=0

read_options() {
  case ${1-} in
    '') ;;
    -h | --help) printf '%s\n' "$usage"; exit ;;
    *) say "$name: there is no option '$1', nor any but --help; see $name --help"; exit 2 ;;
  esac
}

# Names of programs, and of the Debian packages that have them.
find_tools() {
  local tool package missing=''
  while read -r tool package; do
    command -v "$tool" >/dev/null && continue
    say "$name: there is no $tool in PATH; Debian has it in the package $package"
    missing=1
  done <<<$'cargo cargo\ncurl curl\nwget wget\naria2c aria2\nffmpeg ffmpeg\nffprobe ffmpeg\nnginx nginx'
  [[ -z $missing ]] || exit 2
  [[ $(nginx -V 2>&1) == *http_slice_module* ]] && return
  say "$name: this nginx is built without its slice module; Debian's package nginx has it"
  exit 2
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
  trap - EXIT
  trap '' INT TERM
  local group
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
    sleep 0.1
    kill -0 "$server" 2>/dev/null || break
  done
  fail "the server did not start in $1 mode: $(head -n 1 "$trace")"
}

stop() { # VARIABLE of the group
  local group=${!1} code=0
  kill -TERM "$group" # its leader, who tells the others
  wait "$group" || code=$?
  printf -v "$1" ''
  return "$code"
}

# check WHAT COMMAND...: runs COMMAND in an empty folder. It fails with the last thing that it says.
check() {
  local what=$1 said code
  shift
  rm -rf -- "$work/box"
  mkdir -- "$work/box"
  # Not in an `if`: there, bash would not stop COMMAND where it fails.
  set +e
  said=$(set -e; cd -- "$work/box"; "$@" 2>&1)
  code=$?
  set -e
  if ((code == 0)); then
    passed=$((passed + 1))
    printf 'ok   %s: %s\n' "$mode" "$what"
  else
    failed=$((failed + 1))
    said=${said##*$'\n'}
    printf 'FAIL %s: %s: %s\n' "$mode" "$what" "${said:-exit code $code}"
  fi
}

# For use in checks. ----------------------------------------------------------------------------------

because() { echo "$*"; return 1; }
equal() { [[ $1 == "$2" ]] || because "$3 is '$1' instead of '$2'"; } # FOUND WANTED WHAT
is_file() { cmp -- "$1" "$file"; }
first_bytes() { head -c "$1" -- "$file"; }

get() { curl -q -fsS --max-time 30 "$@"; }
status_of() { curl -q -sS --max-time 30 -o /dev/null -w '%{http_code}' "$@"; }

# From `mark` on, what the trace tells of requests that match. They are written when they end, which
# can be a moment after the client has gone.
mark() { sleep 0.2; seen=$(wc -l <"$trace"); }
requests() { sleep 0.2; tail -n "+$((seen + 1))" "$trace" | grep '"event":"request"' | grep -c -- "$1" || :; }

# The checks. -----------------------------------------------------------------------------------------

curl_whole() { get -o got "$url" && is_file got; }

curl_range() { # RANGE FIRST LENGTH
  equal "$(get -r "$1" -o got -w '%{http_code}' "$url")" 206 status
  first_bytes $(($2 + $3)) | tail -c "$3" | cmp - got
}

curl_beyond() { equal "$(status_of -r "$size-" "$url")" 416 status; }

curl_resumes() {
  first_bytes 10000001 >got
  mark
  get -C - -o got "$url"
  is_file got
  equal "$(requests '"range":\[10000001,')" 1 'number of requests for the rest'
}

# Upon 416, curl compares the Content-Range with what it has (since 7.69), and is content. Older ones say
# 33, which is no harm as long as the file is left alone. With -f it would be 22 in all of them.
curl_resumes_complete() {
  local code=0
  cp -- "$file" got
  curl -q -sS --max-time 30 -C - -o got "$url" || code=$?
  ((code == 0 || code == 33)) || because "curl ends with $code"
  is_file got
}

curl_if_modified_since() {
  equal "$(get -z "$file" -o got -w '%{http_code} %{size_download}' "$url")" '304 0' 'status and size'
  [[ ! -s got ]] || because "something was saved"
  equal "$(status_of -z '1 January 2001' -r 0-0 "$url")" 206 'status since 2001'
}

curl_etag() {
  get --etag-save tag -r 0-0 -o got "$url"
  equal "$(get --etag-compare tag -o got2 -w '%{http_code} %{size_download}' "$url")" '304 0' 'status and size'
}

curl_own_name() { # URL NAME...: any of the names will do
  get -OJ "$1"
  local got=(*) wanted
  for wanted in "${@:2}"; do
    [[ ${got[*]} != "$wanted" ]] || { is_file "$wanted"; return; }
  done
  because "saved as '${got[*]}'"
}

wget_whole() { wget --no-config -nv --tries 1 --timeout 20 "${url}powder-day.mp4" && is_file powder-day.mp4; }

wget_resumes() {
  first_bytes 20000003 >powder-day.mp4
  mark
  wget --no-config -nv --tries 1 --timeout 20 -c "${url}powder-day.mp4"
  is_file powder-day.mp4
  equal "$(requests '"range":\[20000003,')" 1 'number of requests for the rest'
}

wget_resumes_complete() {
  cp -- "$file" powder-day.mp4
  wget --no-config --tries 1 --timeout 20 -c "${url}powder-day.mp4" 2>said || because "wget ends with $?"
  grep -q 'nothing to do' said || because "wget does not say that there is nothing to do"
  is_file powder-day.mp4
}

wget_timestamps() {
  cp -p -- "$file" powder-day.mp4
  mark
  wget --no-config -nv --tries 1 --timeout 20 -N "${url}powder-day.mp4"
  is_file powder-day.mp4
  equal "$(requests '"status":304')" 1 'number of answers 304'
}

aria2_in_parts() {
  mark
  aria2c --no-conf -q -x 8 -s 8 -k 1M --file-allocation=none --timeout 20 -o got "$url"
  is_file got
  (($(requests '"status":206') > 3)) || because "aria2 asked for hardly any ranges"
}

ffprobe_reads() {
  local about
  about=$(ffprobe -v error -show_entries format=duration:stream=codec_name -of default=nw=1:nk=1 "$url" | tr '\n' ' ')
  [[ $about =~ ^h264\ aac\ (59\.[5-9]|60\.[0-4])[0-9]*\ $ ]] || because "it reads: $about"
}

ffmpeg_seeks() {
  ffmpeg -v error -nostdin -ss 30 -i "$url" -frames:v 1 over-http.png
  ffmpeg -v error -nostdin -ss 30 -i "$file" -frames:v 1 from-disk.png
  cmp over-http.png from-disk.png
}

# nginx in front, with a cache. -----------------------------------------------------------------------

nginx_config() { # PORT; every path is below the prefix
  # Root would else be somebody who may not enter our folder.
  ((EUID != 0)) || echo "user $(id -un) $(id -gn);"
  cat <<END
daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  proxy_cache_path cache keys_zone=cache:1m;
  proxy_cache cache;
  upstream ours { server 127.0.0.1:$(port_of "$url"); keepalive 4; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  add_header X-Cache \$upstream_cache_status;
  server {
    listen 127.0.0.1:$1;
    location = /ready { return 200 "$work"; }
    location = /sliced { # asked for, and kept, a mebibyte at a time
      slice 1m;
      proxy_cache_key \$uri\$slice_range;
      proxy_set_header Range \$slice_range;
      proxy_cache_valid 200 206 1h;
      proxy_pass http://ours/;
    }
    location = /whole { # good for a second, then asked whether it still is
      proxy_cache_key \$uri;
      proxy_cache_revalidate on;
      proxy_cache_valid 200 1s;
      proxy_pass http://ours/;
    }
  }
}
END
}

port_of() { local port=${1##*:}; echo "${port%/}"; } # URL

# nginx cannot be given "any free port", so some are tried. Leaves its address in `front`.
start_nginx() {
  local attempt port try prefix=$work/nginx
  for attempt in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 10000)) front=http://127.0.0.1:$port
    rm -rf -- "$prefix"
    mkdir -- "$prefix"
    nginx_config "$port" >"$prefix/nginx.conf"
    in_group proxy nginx -p "$prefix/" -c "$prefix/nginx.conf" 2>"$work/nginx.said"
    for ((try = 0; try < 50; try++)); do
      [[ $(get "$front/ready" 2>/dev/null) != "$work" ]] || return 0
      kill -0 "$proxy" 2>/dev/null || break
      sleep 0.1
    done
    stop proxy 2>/dev/null || :
  done
  fail "nginx did not start, in $attempt attempts: $(tail -n 1 "$work/nginx.said")"
}

through() { # PATH CACHE-STATUS [CURL OPTIONS]: downloads it into `got`
  get -D head -o got "${@:3}" "$front$1"
  equal "$(tr -d '\r' <head | sed -n 's/^X-Cache: //p')" "$2" "nginx's cache status"
}

nginx_slices() {
  mark
  through /sliced MISS
  is_file got
  equal "$(requests '"status":206')" $(((size + 1048575) / 1048576)) 'number of requests for slices'
}

nginx_slices_again() {
  mark
  through /sliced HIT
  is_file got
  through /sliced HIT -r 5000000-7999999
  first_bytes 8000000 | tail -c 3000000 | cmp - got
  equal "$(requests .)" 0 'number of new requests'
}

nginx_revalidates() {
  through /whole MISS
  is_file got
  mark
  through /whole HIT
  equal "$(requests .)" 0 'number of requests while it was fresh'
  sleep 2
  through /whole REVALIDATED
  is_file got
  equal "$(requests '"status":304') of $(requests .)" '1 of 1' 'number of answers 304, of all'
}

check_mode() {
  start_server "$mode" "$file"
  check 'curl: whole' curl_whole
  check 'curl -r: the first byte' curl_range 0-0 0 1
  check 'curl -r: some in the middle' curl_range 1234567-8901234 1234567 7666668
  check 'curl -r: from the middle on' curl_range 40000000- 40000000 $((size - 40000000))
  check 'curl -r: beyond the end' curl_range 42000000-99999999 42000000 $((size - 42000000))
  check 'curl -r: the last byte' curl_range "$((size - 1))-" $((size - 1)) 1
  check 'curl -r: the last 1000' curl_range -1000 $((size - 1000)) 1000
  check 'curl -r: nothing there, 416' curl_beyond
  check 'curl -C -: resumes' curl_resumes
  check 'curl -C -: leaves a complete file' curl_resumes_complete
  check 'curl -z: not modified, 304' curl_if_modified_since
  check 'curl --etag-compare: not modified, 304' curl_etag
  check 'curl -OJ: saves under the name' curl_own_name "${url}powder-day.mp4" powder-day.mp4
  check 'wget: whole' wget_whole
  check 'wget -c: resumes' wget_resumes
  check 'wget -c: leaves a complete file' wget_resumes_complete
  check 'wget -N: not modified, 304' wget_timestamps
  check 'aria2c -x 8: in parts, all at once' aria2_in_parts
  check 'ffprobe: a minute of h264 and aac' ffprobe_reads
  check 'ffmpeg -ss 30: the same picture as from disk' ffmpeg_seeks
  start_nginx
  check 'nginx: slices' nginx_slices
  check 'nginx: slices from the cache, without us' nginx_slices_again
  check 'nginx: revalidates, 304' nginx_revalidates
  stop proxy || :
  check 'no request failed inside' no_failures
  check_stop
  start_server "$mode" "$odd_file"
  check 'curl -OJ: an odd name' curl_own_name "$url" 'Schnee _weiß_ 100%.mp4' 'Schnee "weiß" 100%.mp4'
  stop server
}
