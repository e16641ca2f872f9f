#!/usr/bin/env bash
# Lets real programs use both modes, as people do to download, resume, play and cache. Each result is compared with
# the file byte for byte. Where a client could also get the right bytes in another way than it should, the server's
# trace is checked too.
set -euo pipefail
# shellcheck source=scripts/lib/script.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/script.sh"
# shellcheck source=scripts/lib/server.sh
. "$lib/server.sh"
# shellcheck source=scripts/lib/nginx.sh
. "$lib/nginx.sh"

usage() {
  cat <<END
Usage: $name
Builds heapserve, serves media/powder-day.mp4 in each mode, and downloads it with curl, wget, aria2, ffmpeg and nginx
(as a cache in front of it). Prints one line for each check. Takes about half a minute.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
END
}

file=$root/media/powder-day.mp4
# shellcheck disable=SC2034 # start_nginx and stop use it by its name
proxy='' # nginx's process group
trace='' passed=0 failed=0

# check WHAT COMMAND...: runs COMMAND in an empty folder. If it fails, the last line that it printed is the reason.
check() {
  local said code
  rm -rf -- "$work/box" && mkdir -- "$work/box"
  # Not in an `if`: bash would not end COMMAND at its first failure there.
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

# What the checks use. ----------------------------------------------------------------------------------

because() { echo "$*"; return 1; }
equal() { [[ $1 == "$2" ]] || because "$3 is '$1' instead of '$2'"; } # FOUND WANTED WHAT
is_file() { cmp -- "$1" "$file"; }
first_bytes() { head -c "$1" -- "$file"; }

get() { curl -q -fsS --max-time 30 "$@"; }
status_of() { curl -q -sS --max-time 30 -o /dev/null -w '%{http_code}' "$@"; }
fetch() { wget --no-config -nv --tries 1 --timeout 20 "$@" "${url}powder-day.mp4"; }

# mark: begins to count requests. requests PATTERN: how many have matched since then, by the trace.
mark() { settle; seen=$(wc -l <"$trace"); }
requests() { settle; tail -n "+$((seen + 1))" "$trace" | grep '"event":"request"' | grep -v '?settled-' | grep -c -- "$1" || :; }

# A request is traced when it ends, which can be after the client has left. Waits until none is being answered, and
# until a request made after all others is in the trace.
settle() {
  local last
  within 20 is_idle || because 'requests do not end'
  last=settled-$(($(wc -l <"$trace")))
  get -r 0-0 -o /dev/null "$url?$last"
  within 20 grep -q -- "?$last\"" "$trace" || because 'the trace lags behind'
}
is_idle() { [[ $(get "${url}heap.json") == *'"in_flight":0,'* ]]; }

has_totals() { tail -n 1 "$trace" | grep '^{"event":"stopped"' || because "its last line is $(tail -n 1 "$trace")"; }
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
  mark
  get -C - -o got "$url"
  is_file got
  equal "$(requests '"range":\[10000001,')" 1 'number of requests for the rest'
}

# After a 416, curl compares the Content-Range with what it has, and succeeds. Old versions end with 33, which is
# accepted as long as they leave the file as it is. (With -f, all versions end with 22.)
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
  mark
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
  mark
  aria2c --no-conf -q -x 8 -s 8 -k 1M --file-allocation=none --timeout 20 -o got "$url"
  is_file got
  (($(requests '"status":206') > 3)) || because "aria2 asked for three ranges at most"
}

ffprobe_reads() {
  ffprobe -v error -show_entries format=duration:stream=codec_name -of default=nw=1:nk=1 "$url" >about
  [[ $(tr '\n' ' ' <about) =~ ^h264\ aac\ (59\.[5-9]|60\.[0-4])[0-9]*\ $ ]] || because "ffprobe prints $(tr '\n' ' ' <about)"
}

ffmpeg_seeks() {
  ffmpeg -v error -nostdin -ss 30 -i "$url" -frames:v 1 over-http.png
  ffmpeg -v error -nostdin -ss 30 -i "$file" -frames:v 1 from-disk.png
  cmp over-http.png from-disk.png
}

# nginx in front, with a cache. -----------------------------------------------------------------------

nginx_config() { # OUR-PORT PORT
  nginx_main 1 64
  cat <<END
http {
  $(nginx_http)
  proxy_cache_path cache keys_zone=cache:1m; proxy_cache cache;
  upstream ours { server 127.0.0.1:$1; keepalive 4; }
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host localhost;
  # nginx stores nothing that says no-cache, although a cache may store it and must only ask each time.
  proxy_ignore_headers Cache-Control;
  add_header X-Cache \$upstream_cache_status;
  server {
    listen 127.0.0.1:$2;
    $(nginx_ready)
    location = /sliced { # requested, and stored, a mebibyte at a time
      slice 1m; proxy_cache_key \$uri\$slice_range; proxy_set_header Range \$slice_range;
      proxy_set_header Host localhost;
      proxy_cache_valid 206 1h; proxy_pass http://ours/;
    }
    location = /whole { # fresh for a second, then revalidated
      proxy_cache_key \$uri; proxy_cache_revalidate on;
      proxy_cache_valid 200 1s; proxy_pass http://ours/;
    }
    # A location with a proxy_set_header of its own inherits none. Without one for Host, nginx sends the name that
    # proxy_pass has.
    location = /by-address { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://127.0.0.1:$1/; }
    location = /by-name { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://localhost:$1/; }
    location = /by-group { proxy_cache off; proxy_set_header Connection ""; proxy_pass http://ours/; }
    location = /passed-on { proxy_cache off; proxy_set_header Host \$http_host; proxy_pass http://ours/; }
  }
}
END
}

through() { # PATH CACHE-STATUS
  get -D fields -o got "$front$1"
  is_file got
  equal "$(cache_status)" "$2" "nginx's cache status"
}
cache_status() { tr -d '\r' <fields | sed -n 's/^X-Cache: //p'; }

nginx_slices() {
  mark
  through sliced MISS
  equal "$(requests '"status":206')" $(((size + 1048575) / 1048576)) 'number of requests for slices'
}

nginx_slices_again() {
  mark
  through sliced HIT
  get -r 5000000-7999999 -o got "${front}sliced"
  first_bytes 8000000 | tail -c 3000000 | cmp - got
  equal "$(requests .)" 0 'number of new requests'
}

nginx_revalidates() {
  through whole MISS
  mark
  within 20 is_revalidated || because "nginx did not revalidate; its last status is $(cache_status)"
  equal "$(requests '"status":304') of $(requests .)" '1 of 1' 'number of answers 304, of all'
}
is_revalidated() { get -D fields -o got "${front}whole" && is_file got && [[ $(cache_status) == REVALIDATED ]]; }

nginx_default_host() {
  local path
  for path in by-address by-name; do
    get -o got "$front$path"
    is_file got
  done
}

nginx_other_host() {
  equal "$(status_of -H 'Host: localhost' "${front}passed-on")" 200 'status of localhost'
  equal "$(status_of -H 'Host: example.org' "${front}passed-on")" 421 'status of a name'
  equal "$(status_of "${front}by-group")" 421 'status of the name of an upstream group'
}

check_mode() {
  trace=$work/trace
  serve "$mode" "$work/ready" "$trace" --trace json -- "$file"
  check_downloads
  start_nginx proxy "$work/nginx-$mode" nginx_config "$(port_of "$url")"
  check_cache
  stop proxy || :
  stop server || echo "exit code $?" >>"$trace"
  check 'stops, and writes its totals' has_totals
  check 'no request failed in the server' no_failures
  serve "$mode" "$work/ready" "$trace" --trace json -- "$work/$odd_name"
  check 'curl -OJ: a name with quotes, spaces, percent, ß' curl_own_name "$url$odd_path" "${odd_name//\"/_}"
  stop server || :
}

check_downloads() {
  check 'curl: the whole file' curl_whole
  check 'curl -r: the first byte' curl_range 0-0 0 1
  check 'curl -r: a part in the middle' curl_range 1234567-8901234 1234567 7666668
  check 'curl -r: beyond the end' curl_range $((size - 99999))-99999999 $((size - 99999)) 99999
  check 'curl -r: the last byte' curl_range $((size - 1))- $((size - 1)) 1
  check 'curl -r: the last 1000 bytes' curl_range -1000 $((size - 1000)) 1000
  check 'curl -r: starts at the end, 416' curl_beyond
  check 'curl -C -: resumes' curl_resumes
  check 'curl -C -: leaves a complete file' curl_has_it_all
  check 'curl -z: not modified, 304' curl_if_modified_since
  check 'curl -OJ: saves under the name' curl_own_name "${url}powder-day.mp4" powder-day.mp4
  check 'wget -c: resumes' wget_resumes
  check 'wget -c: leaves a complete file' wget_has_it_all
  check 'aria2c -x 8: in parts at the same time' aria2_in_parts
  check 'ffprobe: a minute of h264 and aac' ffprobe_reads
  check 'ffmpeg -ss 30: the same picture as from disk' ffmpeg_seeks
}

check_cache() {
  check 'nginx: slices' nginx_slices
  check 'nginx: slices from its cache, without a request' nginx_slices_again
  check 'nginx: revalidates, 304' nginx_revalidates
  check 'nginx: proxy_pass with its own Host' nginx_default_host
  check 'nginx: another Host is refused, 421' nginx_other_host
}

only_help "$@"
need_tools cargo curl wget aria2c:aria2 ffmpeg ffprobe:ffmpeg nginx
[[ $(nginx -V 2>&1) == *http_slice_module* ]] || fail "this nginx has no slice module; Debian's package nginx has it"
[[ -f $file ]] || fail "media/powder-day.mp4 is missing; scripts/make-media.sh makes it"
begin_work
size=$(($(wc -c <"$file")))
odd_name='Schnee "weiß" 100%.mp4' odd_path=Schnee%20%22wei%C3%9F%22%20100%25.mp4
ln -s -- "$file" "$work/$odd_name"
build_heapserve
for mode in buffer stream; do check_mode; done
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
