#!/usr/bin/env bash
# Is heapserve fit for Windows and macOS? As far as Debian 12 can tell:
#   - lint it for both (with clippy if rust-web-clippy is there, else rustc alone);
#   - build it for Windows and try it under Wine, in both modes.
# Leaves nothing behind but target/portability. The packages: see need_tools.
# shellcheck disable=SC2317 # functions that are called through check
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
root=$PWD media=$PWD/media/powder-day.mp4
windows=x86_64-pc-windows-gnu
macos=aarch64-apple-darwin # Intel would cost as much again and tell little more

# Debian's own toolchain, even where rustup's comes first: its source package
# lets us make a std for other systems without fetching a toolchain.
export PATH=/usr/bin:$PATH
export RUSTC_BOOTSTRAP=1                         # -Zbuild-std wants a nightly
export CARGO_TARGET_DIR=$root/target/portability # not to disturb the ordinary builds
export CARGO_PROFILE_DEV_DEBUG=0                 # slow to make, and Wine loads it all

# No display, no chatter, no .NET or browser to offer, no menu entries to make.
tmp=$(mktemp -d) || exit 1
export WINEPREFIX=$tmp/prefix WINEDEBUG=-all
export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
unset DISPLAY WAYLAND_DISPLAY
passed=0 failed=0 server='' port='' url='' # the last three: of the heapserve on trial

clean_up() {
    local pids
    mapfile -t pids < <(jobs -p)
    ((${#pids[@]})) && { kill -KILL "${pids[@]}"; wait; } 2>/dev/null
    [[ -d $WINEPREFIX ]] && wineserver -k -w 2>/dev/null
    cd / && rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# check WHAT WHY COMMAND...: WHY is what it means if COMMAND fails.
check() {
    if "${@:3}"; then
        passed=$((passed + 1)) && echo "ok   $1"
    else
        failed=$((failed + 1)) && echo "FAIL $1: $2"
        return 1
    fi
}

finish() { echo "$passed passed, $failed failed" && exit $((failed > 0)); }

# within SECONDS COMMAND...: Wine takes its time, so ask until it is true.
within() {
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

need_tools() {
    local missing=''
    [[ -x /usr/bin/rustc ]] || missing+=' rustc-web'
    [[ -x /usr/bin/cargo ]] || missing+=' cargo-web'
    [[ -d /usr/lib/rustlib/src/rust/library/std ]] || missing+=' rust-web-src'
    command -v x86_64-w64-mingw32-gcc >/dev/null || missing+=' mingw-w64'
    wine --version >/dev/null 2>&1 || missing+=' wine wine64'
    command -v curl >/dev/null || missing+=' curl'
    [[ -z $missing ]] || { echo "check-portability: please apt-get install$missing" >&2; exit 1; }
    [[ -f $media ]] || { echo "check-portability: there is no $media" >&2; exit 1; }
}

# for_target TARGET COMMAND [ARGUMENT...]: cargo, with a std made on the spot.
for_target() {
    cargo "$2" --quiet --locked -Zbuild-std=std,panic_unwind --target "$1" --bin heapserve "${@:3}" \
        >"$tmp/log" 2>&1 || { cat "$tmp/log" >&2; return 1; }
}

lint() { # lint TARGET
    local command=(rustc --profile check) not=clippy::missing_const_for_thread_local # false on Windows
    [[ -x /usr/bin/cargo-clippy ]] && command=(clippy)
    check "lint for $1 (cargo ${command[0]})" 'see above' \
        for_target "$1" "${command[@]}" -- -D warnings -A "$not"
}

# Into $tmp, for the makeshift DLL must not stay beside anything we keep.
build() {
    check "build for $windows" 'see above' for_target "$windows" build || finish
    cp "$CARGO_TARGET_DIR/$windows/debug/heapserve.exe" "$tmp" || exit 1
    x86_64-w64-mingw32-gcc -shared -O2 -Wall -Werror -o "$tmp/bcryptprimitives.dll" \
        "$root/scripts/portability/process_prng.c" -ladvapi32 || exit 1
}

get=(curl --silent --fail --globoff --noproxy '*' --max-time 120)
same() { "${get[@]}" "$2" | cmp -s - "$1"; } # same FILE URL
is_over() { ! kill -0 "$1" 2>/dev/null; }
has_traced() { (($(grep -c '"event":"request"' err) >= $1)); } # has_traced COUNT

starts_wine() { timeout --foreground 120 wine wineboot --init >/dev/null 2>&1; }
refuses_missing_file() {
    timeout --foreground 60 wine heapserve.exe --mode stream -p 0 --trace json missing.mp4 \
        >out 2>err </dev/null
    [[ $? -eq 1 && $(grep -c '' err) -eq 1 && $(<err) == *missing.mp4* ]] || { cat err >&2; return 1; }
}

is_ready_or_over() {
    port=$(sed -n 's|^heapserve: .*http://[^/]*:\([0-9]*\)/.*|\1|p' out)
    url=http://127.0.0.1:$port/
    [[ $port ]] || is_over "$server"
}

starts() { # starts MODE [OPTION...]
    : >out
    wine heapserve.exe --mode "$1" -p 0 --trace json "${@:2}" clip.mp4 >out 2>err </dev/null &
    server=$!
    within 60 is_ready_or_over
    [[ $port ]] || { cat out err >&2; return 1; }
}

# traces COUNT STATUS: once COUNT requests are traced, is the last line sound?
traces() {
    local line field
    within 10 has_traced "$1"
    line=$(grep '"event":"request"' err | tail -n 1)
    for field in "\"status\":$2" '"outcome":"sent"' '"rss_before":[0-9]+' '"rss_peak":[0-9]+' \
        '"live_after":[0-9]+' '"request_peak":[0-9]+' '"rss_after":([0-9]+)'; do
        [[ $line =~ ${field}[,}] ]] || { echo "no $field in: $line" >&2; return 1; }
    done
    # At rest: the file should not be in memory, let alone twenty times.
    ((BASH_REMATCH[1] > 500000 && BASH_REMATCH[1] < 200000000)) || { echo "$line" >&2; return 1; }
}

serves_twenty() {
    (for _ in {1..20}; do same "$media" "$url" && echo same & done; wait) >twenty
    within 10 has_traced 21 # be at rest again
    (($(grep -c same twenty) == 20))
}

serves_range() {
    [[ $("${get[@]}" -r 1000-1999 -o part -w '%{http_code}' "$url") == 206 ]] &&
        head -c 2000 "$media" | tail -c 1000 | cmp -s - part
}

# Where there is no IPv6, curl cannot connect (7) and nobody should hear of it.
serves_ipv6_or_keeps_quiet() {
    if "${get[@]}" -o six "http://[::1]:$port/"; then
        cmp -s six "$media"
    else
        (($? == 7)) && ! grep -q '::1' err
    fi
}

# Windows' rules (hence cmd, not mv): a file in use can be moved away and deleted only
# if it was opened so as to allow that, and nothing can simply be moved over it.
try_replacing() {
    head -c 1000000 "$media" | tee new.mp4 >other.mp4
    "${get[@]}" --limit-rate 8M -o slow "$url" &
    local slow=$!
    within 30 test -s slow
    timeout --foreground 60 wine cmd /c \
        'move clip.mp4 old.mp4 && move other.mp4 clip.mp4 && del old.mp4' </dev/null >/dev/null 2>&1
    check "$1: file replaced while being sent" 'refused' cmp -s clip.mp4 new.mp4
    check "$1: next download is the new file" 'it is not' same new.mp4 "$url"
    check "$1: download of the old one still under way" 'too quick to tell' kill -0 "$slow"
    wait "$slow"
    check "$1: and complete in the end" 'not the same' cmp -s slow "$media"
    check "$1: old file deleted" 'still there' within 10 test ! -e old.mp4
}

# SIGINT is what Wine takes for Ctrl-C where there is no console.
stops() {
    kill -INT "$server"
    within 20 is_over "$server" || kill -KILL "$server"
    wait "$server"
}

try_mode() {
    rm -f slow old.mp4 && cp "$media" clip.mp4 || exit 1
    check "$1: starts" 'no ready line within 60 s' starts "$1" || return
    check "$1: download" 'not the same' same "$media" "$url"
    check "$1: trace" 'see above' traces 1 200
    check "$1: 20 downloads at once" 'not all the same' serves_twenty
    check "$1: range" 'not 206 or not bytes 1000-1999' serves_range
    check "$1: trace afterwards" 'see above' traces 22 206
    check "$1: [::1] answers or is silently absent" 'it is not so' serves_ipv6_or_keeps_quiet
    try_replacing "$1"
    check "$1: Ctrl-C gives exit code 0" 'it does not' stops
    tail -n 1 err >last
    check "$1: last line says stopped" "$(<last)" grep -q '"event":"stopped"' last
}

answers_with() { # answers_with STATUS OPTION...
    [[ $(curl --silent --noproxy '*' --max-time 120 -o answer -w '%{http_code}' "${@:2}" "$url") == "$1" ]]
}

# ends_after TEXT: sends it on a connection of its own, which the server then ends.
ends_after() {
    # shellcheck disable=SC2016 # the inner shell expands it
    timeout --foreground 30 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && cat <&3 >/dev/null' _ "$port" "$1"
}

# What one client may not cost the others: deadlines, refusals, hang-ups.
try_walls() {
    head -c 3000000 "$media" >upload
    check 'walls: starts' 'no ready line within 60 s' starts stream --timeout 2 || return
    check 'walls: another name than localhost is refused' 'no 421' answers_with 421 -H 'Host: evil.example'
    check 'walls: an upload gets its refusal' 'no 405' answers_with 405 --data-binary @upload
    check 'walls: a head that stops is hung up' 'still open' ends_after 'GET / HTTP/1.1\r\nX: '
    check 'walls: an idle connection is closed' 'still open' ends_after ''
    check 'walls: a body that stops is hung up' 'still open' \
        ends_after 'PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n'
    check 'walls: a close on a second line is kept' 'still open' \
        ends_after 'HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: x\r\nConnection: close\r\n\r\n'
    check 'walls: HTTP/2.0 is hung up' 'still open' ends_after 'GET / HTTP/2.0\r\nHost: localhost\r\n\r\n'
    check 'walls: another client is answered' 'not the same' same clip.mp4 "$url"
    check 'walls: Ctrl-C gives exit code 0' 'it does not' stops
}

need_tools
lint "$windows"
lint "$macos"
build
cd "$tmp" || exit 1
check 'Wine starts' 'no prefix' starts_wine || finish
check 'missing file' 'not exit code 1 and one line naming it' refuses_missing_file
try_mode buffer
try_mode stream
try_walls
finish
