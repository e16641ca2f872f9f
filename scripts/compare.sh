#!/usr/bin/env bash
# The lesson in one command: the same viewers at once on both modes, and what each cost the heap.
# Needs cargo to build the server, and then no more than bash, curl and awk.
set -euo pipefail
export LC_ALL=C # for awk's decimal point and the order of sort

name=${0##*/}
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
usage="Usage: $name [-n VIEWERS] [-r RATE] [-f FILE] [--svg PICTURE]
Builds the server, starts it once in each mode, lets many viewers download FILE at the same time,
checks that each got it byte for byte, and shows what that cost the heap in either mode.
  -n VIEWERS      how many at once (default: 20); buffer mode needs memory for as many copies
  -r RATE         the most that each may take in a second: bytes, or with K, M, G as for curl's
                  --limit-rate (default: so that a download takes about five seconds)
  -f FILE         what to serve (default: media/powder-day.mp4 of this repository)
  --svg PICTURE   also draw both heaps over time into this file
  -h, --help      this text
Exit code: 0 if all went well, 1 if anything failed, 2 if an option is wrong."

say() { printf '%s\n' "$*" >&2; }
wrong() { say "$name: $*; see $name --help"; exit 2; }
fail() { say "$name: $*"; exit 1; }

viewers=20 rate='' file=$root/media/powder-day.mp4 svg=''
target=${CARGO_TARGET_DIR:-$root/target}
work='' server='' load='' poll='' # a folder, and the leaders of three process groups

read_options() {
  while (($#)); do
    case $1 in
      -h | --help) printf '%s\n' "$usage"; exit ;;
      -n | -r | -f | --svg)
        [[ -n ${2-} ]] || wrong "$1 needs a value after it"
        case $1 in -n) viewers=$2 ;; -r) rate=$2 ;; -f) file=$2 ;; *) svg=$2 ;; esac
        shift ;;
      *) wrong "there is no option '$1'; there are -n, -r, -f and --svg" ;;
    esac
    shift
  done
  [[ $viewers =~ ^[1-9][0-9]{0,3}$ ]] || wrong "-n '$viewers' is no number of viewers; give 1 to 9999"
  [[ -z $rate || $rate =~ ^[1-9][0-9]{0,11}[kKmMgG]?$ ]] || wrong "-r '$rate' is no rate; give one such as 500K or 8M"
  [[ -f $file && -r $file ]] || wrong "-f '$file' is no file that can be read; name one that is"
  [[ -z $svg || (! -d $svg && -d $(dirname -- "$svg")) ]] ||
    wrong "--svg '$svg' is no place for a picture; name a file, in a folder that exists"
  for tool in curl awk cmp cargo; do
    command -v "$tool" >/dev/null || fail "needs $tool, but there is none in PATH"
  done
  file_bytes=$(($(wc -c <"$file")))
  # The more viewers, the longer they take to start, and all should still be there when the last comes.
  rate=${rate:-$((file_bytes / (5 + viewers / 20) + 1))}
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
  for group in $load $poll $server; do kill -TERM -- "-$group" 2>/dev/null || :; done
  { wait; } 2>/dev/null || : # bash would tell of each one killed
  [[ -z $work ]] || rm -rf -- "$work"
}

# start MODE: leaves its address in `url`.
start() {
  in_group server "$target/release/heapserve" -p 0 -m "$1" --trace json -- "$file" \
    >"$work/$1.ready" 2>"$work/$1.trace"
  for ((try = 0; try < 100; try++)); do
    # "heapserve: MODE URL (FILE, SIZE)", once connections are accepted.
    if read -r _ _ url _ <"$work/$1.ready"; then return; fi
    sleep 0.1
    kill -0 "$server" 2>/dev/null || break
  done
  fail "the server did not start in $1 mode: $(head -n 1 "$work/$1.trace")"
}

# No proxy, nobody's .curlrc; a server that sends nothing for half a minute has failed.
get() { curl -q -fsS --noproxy '*' --connect-timeout 10 --speed-time 30 --speed-limit 1 "$@"; }

# view MODE NUMBER: one viewer, who keeps nothing, but compares as it comes. Leaves a line in
# MODE.NUMBER.end: "ok", or why not.
view() {
  local said=$work/$1.$2.said
  if get --limit-rate "$rate" "$url" 2>>"$said" | cmp - "$file" >>"$said" 2>&1; then echo ok >"$said"; fi
  head -n 1 "$said" >"$work/$1.$2.end"
}

view_all() { # MODE
  for ((i = 1; i <= viewers; i++)); do view "$1" "$i" & done
  wait
}

sample() { get --max-time 5 "${url}heap.json" >>"$work/$1.samples"; } # MODE
sample_on() { while sample "$1"; do sleep 0.08; done; } # about ten times a second

count_ends() { compgen -G "$work/$1.*.end" | wc -l || :; } # MODE

# Rewrites one line on a terminal, and says nothing in a log.
show_progress() { # MODE
  [[ ! -t 2 ]] || printf '\r\033[K%s: %d of %d done, %s' "$1" "$(count_ends "$1")" "$viewers" \
    "$(awk "$awk_library"'/}$/ { flight = figure("in_flight"); live = figure("live") }
      END { print flight " in flight, heap " size(live) }' "$work/$1.samples")" >&2
}

run() { # MODE
  start "$1"
  say "$1: $viewers viewers at once of $url, each at most $rate bytes/s"
  sample "$1" || fail "the server does not tell its heap in $1 mode"
  in_group poll sample_on "$1" 2>/dev/null
  in_group load view_all "$1"
  while kill -0 "$load" 2>/dev/null; do show_progress "$1"; sleep 0.2; done
  wait "$load" || :
  load=''
  [[ ! -t 2 ]] || printf '\r\033[K' >&2
  sleep 0.5 # until the last answers are freed
  { kill -TERM -- "-$poll"; wait "$poll"; } 2>/dev/null || :
  poll=''
  echo >>"$work/$1.samples" # the last one may be cut off
  sample "$1" || fail "the server was gone at the end in $1 mode: $(tail -n 1 "$work/$1.trace")"
  kill -INT "$server" # as Ctrl-C does, upon which it tells its totals
  wait "$server" || fail "the server ended badly in $1 mode: $(tail -n 1 "$work/$1.trace")"
  server=''
}

check() { # MODE
  local good
  good=$(cat "$work/$1".*.end | grep -cx ok) || :
  say "$1: $good of $viewers downloads are the file, byte for byte"
  ((good < viewers)) || return 0
  cat "$work/$1".*.end | grep -vx ok | sort | uniq -c | sort -rn | head -n 5 >&2
  fail "so there is nothing to compare; what went wrong is said above"
}

# Reads a flat JSON object in $0; writes sizes for people.
# shellcheck disable=SC2016 # the dollars are awk's, here and below
awk_library='
  function figure(key,   at, rest) { # a number, or "" for null
    at = index($0, "\"" key "\":")
    rest = substr($0, at + length(key) + 3)
    return at && rest ~ /^[0-9]/ ? rest + 0 : ""
  }
  function size(b) {
    if (b == "") return "unknown"
    if (b < 1024) return sprintf("%d bytes", b)
    if (b < 1048576) return sprintf("%.1f KiB", b / 1024)
    if (b < 10737418240) return sprintf("%.1f MiB", b / 1048576)
    return sprintf("%.1f GiB", b / 1073741824)
  }'

# What each mode did, from its trace, whose last line has the totals, and its samples.
# shellcheck disable=SC2016
awk_reading='
  function most(what, value) { if (value != "" && value > got[mode, what] + 0) got[mode, what] = value }
  # The most that were there at once were all there still when the first of them ended.
  { most("flight", figure("in_flight")); most("peak", figure("live_peak"))
    most("largest", figure("largest_request_peak")); most("rss_peak", figure("rss_peak")) }
  /"event":"request"/ {
    end = figure("at_us"); begin = end - figure("duration_us"); first = figure("first_byte_us")
    if (!((mode, "begin") in got) || begin < got[mode, "begin"]) got[mode, "begin"] = begin
    most("end", end)
    for (i = ++requests[mode]; i > 1 && bytes_at[mode, i - 1] > first; i--) bytes_at[mode, i] = bytes_at[mode, i - 1]
    bytes_at[mode, i] = first # sorted, for the median
  }
  /"event":"sample".*}$/ {
    i = ++samples[mode]; time[mode, i] = figure("at_us"); live[mode, i] = figure("live")
    got[mode, "rss_after"] = figure("rss")
  }
  function sum_up(mode,   n) {
    n = requests[mode]; span[mode] = time[mode, samples[mode]] - time[mode, 1] + 1
    got[mode, "all"] = got[mode, "end"] - got[mode, "begin"]
    got[mode, "median"] = (bytes_at[mode, int((n + 1) / 2)] + bytes_at[mode, int(n / 2) + 1]) / 2
    got[mode, "worst"] = bytes_at[mode, n]
    got[mode, "each"] = got[mode, "peak"] / got[mode, "flight"]
  }
  # The heap of cell c of n: the most that was sampled in that part of the time.
  function heap_in(mode, c, n,   i, most_live) {
    for (i = 1; i <= samples[mode]; i++)
      if (int((time[mode, i] - time[mode, 1]) / span[mode] * n) == c && live[mode, i] > most_live) most_live = live[mode, i]
    return most_live
  }
  END {
    sum_up("buffer"); sum_up("stream")
    scale = got["buffer", "peak"] > got["stream", "peak"] ? got["buffer", "peak"] : got["stream", "peak"]
  }'

# shellcheck disable=SC2016
awk_table='
  function shown(kind, value) {
    if (kind == "ms") return sprintf("%.1f ms", value / 1000)
    return kind == "size" ? size(value) : kind == "s" ? sprintf("%.1f s", value / 1000000) : value
  }
  function row(title, what, kind,   b, s) {
    b = got["buffer", what]; s = got["stream", what]
    ratio = b != "" && s > 0 ? sprintf("%.1f", b / s) : ""
    printf "%-24s%13s%13s%17s\n", title, shown(kind, b), shown(kind, s), ratio
  }
  function bar(value,   eighths, all) { # of 50 cells, in eighths of one
    split("▏ ▎ ▍ ▌ ▋ ▊ ▉", part, " ")
    for (eighths = int(value / scale * 400 + 0.999); eighths >= 8; eighths -= 8) all = all "█"
    return all part[eighths]
  }
  function bar_of(mode) { printf "  %s %s %s\n", mode, bar(got[mode, "peak"]), size(got[mode, "peak"]) }
  function line(mode,   c, top) { # the heap over time
    split("▁ ▂ ▃ ▄ ▅ ▆ ▇ █", block, " ")
    printf "  %s ", mode
    for (c = 0; c < 50; c++) {
      if ((h = heap_in(mode, c, 50)) != "") top = h
      printf "%s", block[1 + int(top / scale * 7 + 0.5)]
    }
    print ""
  }
  END {
    printf "\n%s (%s), %d viewers at once\n\n", ENVIRON["SHOWN"], size(file_bytes), viewers
    printf "%-24s%13s%13s%17s\n", "", "buffer", "stream", "buffer : stream"
    row("most in flight", "flight"); row("heap peak", "peak", "size"); row("largest request", "largest", "size")
    row("RSS peak", "rss_peak", "size"); row("RSS after", "rss_after", "size")
    row("first byte, median", "median", "ms"); row("first byte, worst", "worst", "ms"); row("time in all", "all", "s")
    print "\nheap peak"; bar_of("buffer"); bar_of("stream")
    print "\nheap over time"; line("buffer"); line("stream")
    few = got["buffer", "flight"] < got["stream", "flight"] ? got["buffer", "flight"] : got["stream", "flight"]
    if (few < viewers) printf "\nOnly %d of %d overlapped; with a lower rate (-r), or a larger file, more do.\n", few, viewers
    printf "\nFor %d viewer%s of this file at once, buffer takes %s of heap (%s each) and stream takes %s (%s each); " \
      "for a thousand, that is %s against %s.\n", few, (few == 1 ? "" : "s"), size(got["buffer", "peak"]), \
      size(got["buffer", "each"]), size(got["stream", "peak"]), size(got["stream", "each"]), \
      size(1000 * got["buffer", "each"]), size(1000 * got["stream", "each"])
  }'

# The two heaps over time. Colours and greys that can be seen on white and on black.
# shellcheck disable=SC2016
awk_picture='
  function escaped(text) { gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text); return text }
  function x(us) { return 80 + us / longest * 690 }
  function y(bytes) { return 350 - bytes / 1048576 / top * 270 }
  function label(at_x, at_y, anchor, text) {
    printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", at_x, at_y, anchor, text
  }
  function nice_step(range,   step) { # 1, 2 or 5 times a power of ten; three to seven fit
    for (step = 0.000001; step * 70 < range; step *= 10) ;
    return step * (range / step > 35 ? 10 : range / step > 14 ? 5 : range / step > 7 ? 2 : 1)
  }
  function curve(mode, legend_x, style,   c, cells, h, points) { # and its legend
    cells = samples[mode] < 500 ? samples[mode] : 500
    for (c = 0; c < cells; c++)
      if ((h = heap_in(mode, c, cells)) != "")
        points = points sprintf("%.1f,%.1f ", x((c + 0.5) / cells * span[mode]), y(h))
    printf "<polyline %s points=\"%s\"/>\n", style, points
    printf "<line %s x1=\"%d\" x2=\"%d\" y1=\"55\" y2=\"55\"/>\n", style, legend_x, legend_x + 48
    label(legend_x + 58, 60, "start", mode ", at most " size(got[mode, "peak"]))
  }
  END {
    longest = span["buffer"] > span["stream"] ? span["buffer"] : span["stream"]
    step = nice_step(scale / 1048576)
    for (top = step; top < scale / 1048576; top += step) ;
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 390\" font-family=\"sans-serif\" font-size=\"14\" fill=\"#7a828c\">"
    title = sprintf("Heap for %d viewers of %s (%s) at once", viewers, escaped(ENVIRON["SHOWN"]), size(file_bytes))
    print "<title>" title "</title>"
    print "<g font-size=\"18\">"; label(400, 28, "middle", title); print "</g>"
    for (tick = 0; tick < top + step / 2; tick += step) {
      printf "<line x1=\"80\" x2=\"770\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#7a828c\" stroke-opacity=\"%s\"/>\n", \
        y(tick * 1048576), y(tick * 1048576), (tick ? "0.3" : "1")
      label(72, y(tick * 1048576) + 5, "end", tick (tick + step / 2 < top ? "" : " MiB"))
    }
    step = nice_step(longest / 1000000)
    for (tick = 0; tick <= longest / 1000000; tick += step) label(x(tick * 1000000), 372, "middle", tick " s")
    curve("buffer", 80, "fill=\"none\" stroke=\"#e8590c\" stroke-width=\"2.5\"")
    curve("stream", 430, "fill=\"none\" stroke=\"#2b8ae6\" stroke-width=\"3\" stroke-dasharray=\"8 4\"")
    print "</svg>"
  }'

# report AWK: runs it on all that was read.
report() {
  SHOWN=${file##*/} awk -v viewers="$viewers" -v file_bytes="$file_bytes" "$awk_library $awk_reading $1" \
    mode=buffer "$work/buffer.trace" "$work/buffer.samples" mode=stream "$work/stream.trace" "$work/stream.samples"
}

read_options "$@"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d "${TMPDIR:-/tmp}/heapserve-compare.XXXXXX")
say "building the server"
cargo build --release --locked --quiet --manifest-path "$root/Cargo.toml" --target-dir "$target" ||
  fail "the server does not build; cargo says why above"
for mode in buffer stream; do
  run "$mode"
  check "$mode"
done
report "$awk_table"
if [[ -n $svg ]]; then
  report "$awk_picture" >"$svg" || fail "cannot write '$svg'"
  say "$svg has both heaps over time"
fi
