#!/usr/bin/env bash
# Lints heapserve for Windows and macOS, and tries the Windows program under Wine, on Debian 12.
# shellcheck disable=SC2317 # functions that are called through check
set -euo pipefail
# shellcheck source=scripts/lib/script.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib/script.sh"
# shellcheck source=scripts/lib/server.sh
. "$lib/server.sh"
set +e # every check handles its own failures

usage() {
    cat <<END
Usage: $name
Lints heapserve for Windows and macOS (with clippy if rust-web-clippy is installed, else with rustc alone), builds it
for Windows, and checks it under Wine in both modes. Takes some minutes. Leaves nothing behind but target/portability.
Exit code: 0 if every check passed, 1 if any failed, 2 if a tool is missing or an option is wrong.
END
}

media=$root/media/powder-day.mp4
windows=x86_64-pc-windows-gnu
macos=aarch64-apple-darwin # a second lint for Intel would take as long and show little more
passed=0 failed=0
port=''             # of the heapserve under test
patience_seconds=60 # Wine is slow to start

use_debian_rust() {
    # Also where rustup's comes first in PATH: Debian has a source package, from which std can be built for other
    # systems without a download.
    export PATH=/usr/bin:$PATH
    export RUSTC_BOOTSTRAP=1                         # -Zbuild-std needs a nightly
    export CARGO_TARGET_DIR=$root/target/portability # leaves the ordinary builds alone
    export CARGO_PROFILE_DEV_DEBUG=0                 # slow to build, and Wine loads all of it
}

use_wine() {
    # No display, no messages, no offer to install .NET or a browser, no entries in menus.
    export WINEPREFIX=$work/prefix WINEDEBUG=-all
    export WINEDLLOVERRIDES='mscoree,mshtml,winemenubuilder.exe='
    unset DISPLAY WAYLAND_DISPLAY
}

clean_up() {
    trap '' EXIT HUP INT TERM
    end_jobs
    [[ -d ${WINEPREFIX-} ]] && wineserver -k -w 2>/dev/null
    [[ -z $work ]] || { cd / && rm -rf -- "$work"; }
}

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

need_all() {
    need_tools /usr/bin/rustc:rust-web /usr/bin/cargo:cargo-web x86_64-w64-mingw32-gcc:gcc-mingw-w64-x86-64 wine curl
    [[ -d /usr/lib/rustlib/src/rust/library/std ]] || fail "std's source is missing (Debian: apt-get install rust-web-src)"
    wine --version >/dev/null 2>&1 || fail "wine cannot start 64-bit programs (Debian: apt-get install wine64)"
    [[ -f $media ]] || fail "media/powder-day.mp4 is missing; scripts/make-media.sh makes it"
}

# for_target TARGET COMMAND [ARGUMENT...]: cargo, with a std that is built from source.
for_target() {
    cargo "$2" --quiet --locked -Zbuild-std=std,panic_unwind --target "$1" --bin heapserve "${@:3}" \
        >"$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
}

lint() { # lint TARGET
    local command=(rustc --profile check) not=clippy::missing_const_for_thread_local # false on Windows
    [[ -x /usr/bin/cargo-clippy ]] && command=(clippy)
    check "lint for $1 (cargo ${command[0]})" 'see above' \
        for_target "$1" "${command[@]}" -- -D warnings -A "$not"
}

# In $work: the DLL is for this check only.
build() {
    check "build for $windows" 'see above' for_target "$windows" build || finish
    cp "$CARGO_TARGET_DIR/$windows/debug/heapserve.exe" "$work" || exit 1
    x86_64-w64-mingw32-gcc -shared -O2 -Wall -Werror -o "$work/bcryptprimitives.dll" \
        "$root/scripts/portability/process_prng.c" -ladvapi32 || exit 1
}

get=(curl -q --silent --fail --globoff --noproxy '*' --max-time 120)
same() { "${get[@]}" "$2" | cmp -s - "$1"; } # same FILE URL
has_traced() { (($(grep -c '"event":"request"' err) >= $1)); } # has_traced COUNT

starts_wine() { timeout --foreground 120 wine wineboot --init >/dev/null 2>&1; }
refuses_missing_file() {
    timeout --foreground 60 wine heapserve.exe --mode stream -p 0 --trace json missing.mp4 \
        >out 2>err </dev/null
    [[ $? -eq 1 && $(grep -c '' err) -eq 1 && $(<err) == *missing.mp4* ]] || { cat err >&2; return 1; }
}

starts() { # starts MODE [OPTION...]
    start_server out err wine heapserve.exe --mode "$1" -p 0 --trace json "${@:2}" clip.mp4 || { cat out err >&2; return 1; }
    port=$(port_of "$url")
    url=http://127.0.0.1:$port/
}

# traces COUNT STATUS: waits for the trace of COUNT requests, and checks its last line.
traces() {
    local line field
    within 10 has_traced "$1"
    line=$(grep '"event":"request"' err | tail -n 1)
    for field in "\"status\":$2" '"outcome":"sent"' '"rss_before":[0-9]+' '"rss_peak":[0-9]+' \
        '"live_after":[0-9]+' '"request_peak":[0-9]+' '"rss_after":([0-9]+)'; do
        [[ $line =~ ${field}[,}] ]] || { echo "no $field in: $line" >&2; return 1; }
    done
    # All requests have ended, so that no copy of the file should be in memory.
    ((BASH_REMATCH[1] > 500000 && BASH_REMATCH[1] < 200000000)) || { echo "$line" >&2; return 1; }
}

serves_twenty() {
    (for _ in {1..20}; do same "$media" "$url" && echo same & done; wait) >twenty
    within 10 has_traced 21 # until all have ended
    (($(grep -c same twenty) == 20))
}

serves_range() {
    [[ $("${get[@]}" -r 1000-1999 -o part -w '%{http_code}' "$url") == 206 ]] &&
        head -c 2000 "$media" | tail -c 1000 | cmp -s - part
}

# Where there is no IPv6, curl cannot connect (7), and the server should write no message about it.
serves_ipv6_or_is_silent() {
    if "${get[@]}" -o six "http://[::1]:$port/"; then
        cmp -s six "$media"
    else
        (($? == 7)) && ! grep -q '::1' err
    fi
}

# By Windows' rules (hence cmd, not mv), a file in use can be moved away and deleted only if it was opened in a way
# that allows it, and no file can be moved to its name.
try_replacing() {
    head -c 1000000 "$media" | tee new.mp4 >other.mp4
    "${get[@]}" --limit-rate 8M -o slow "$url" &
    local slow=$!
    within 30 test -s slow
    timeout --foreground 60 wine cmd /c \
        'move clip.mp4 old.mp4 && move other.mp4 clip.mp4 && del old.mp4' </dev/null >/dev/null 2>&1
    check "$1: file replaced while being sent" 'refused' cmp -s clip.mp4 new.mp4
    check "$1: next download is the new file" 'it is not' same new.mp4 "$url"
    check "$1: download of the old one still under way" 'it had ended before' kill -0 "$slow"
    wait "$slow"
    check "$1: that download is complete" 'not the same' cmp -s slow "$media"
    check "$1: old file deleted" 'still there' within 10 test ! -e old.mp4
}

# Without a console, Wine takes SIGINT for Ctrl-C.
stops() { stop server INT; }

try_mode() {
    rm -f slow old.mp4 && cp "$media" clip.mp4 || exit 1
    check "$1: starts" 'no ready line within 60 s' starts "$1" || return
    check "$1: download" 'not the same' same "$media" "$url"
    check "$1: trace" 'see above' traces 1 200
    check "$1: 20 downloads at once" 'not all the same' serves_twenty
    check "$1: range" 'not 206 or not bytes 1000-1999' serves_range
    check "$1: trace afterwards" 'see above' traces 22 206
    check "$1: [::1] answers or is silently absent" 'it is not so' serves_ipv6_or_is_silent
    try_replacing "$1"
    check "$1: Ctrl-C gives exit code 0" 'it does not' stops
    tail -n 1 err >last
    check "$1: last line says stopped" "$(<last)" grep -q '"event":"stopped"' last
}

answers_with() { # answers_with STATUS OPTION...
    [[ $(curl -q --silent --noproxy '*' --max-time 120 -o answer -w '%{http_code}' "${@:2}" "$url") == "$1" ]]
}

# ends_after TEXT: sends TEXT on a connection of its own, and waits until the server closes the connection.
ends_after() {
    # shellcheck disable=SC2016 # the inner shell expands it
    timeout --foreground 30 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "$2" >&3 && cat <&3 >/dev/null' _ "$port" "$1"
}

# What protects clients from each other: deadlines, refusals, hang-ups.
try_walls() {
    head -c 3000000 "$media" >upload
    check 'walls: starts' 'no ready line within 60 s' starts stream --timeout 2 || return
    check 'walls: another name than localhost is refused' 'no 421' answers_with 421 -H 'Host: evil.example'
    check 'walls: an upload gets its refusal' 'no 405' answers_with 405 --data-binary @upload
    check 'walls: a head that stops is disconnected' 'still open' ends_after 'GET / HTTP/1.1\r\nX: '
    check 'walls: an idle connection is closed' 'still open' ends_after ''
    check 'walls: a body that stops is disconnected' 'still open' \
        ends_after 'PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n'
    check 'walls: a close on a second line is honoured' 'still open' \
        ends_after 'HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: x\r\nConnection: close\r\n\r\n'
    check 'walls: HTTP/2.0 is disconnected' 'still open' ends_after 'GET / HTTP/2.0\r\nHost: localhost\r\n\r\n'
    check 'walls: another client is answered' 'not the same' same clip.mp4 "$url"
    check 'walls: Ctrl-C gives exit code 0' 'it does not' stops
}

only_help "$@"
use_debian_rust
need_all
begin_work
use_wine
cd -- "$root" || exit 1
lint "$windows"
lint "$macos"
build
cd -- "$work" || exit 1
check 'Wine starts' 'it makes no prefix' starts_wine || finish
check 'missing file' 'not exit code 1 and one line naming it' refuses_missing_file
try_mode buffer
try_mode stream
try_walls
finish
