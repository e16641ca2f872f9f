# Prints the run of buffer and the run of stream, one JSON object each, as a table, bars and one sentence.
BEGIN { count = split("at_once request_peak_max heap_peak rss_peak first_byte_us_median first_byte_us_max", keys, " ") }
{
  for (i = 1; i <= count; i++) got[NR, keys[i]] = figure(keys[i])
  got[NR, "time"] = figure("ended_us") - figure("began_us")
  if (figure("request_peak_min") != figure("request_peak_max")) at_most = " at most"
}
function shown(kind, value) {
  if (value == "") return "unknown"
  if (kind == "ms") return sprintf("%.1f ms", value / 1000)
  return kind == "size" ? size(value) : kind == "s" ? sprintf("%.1f s", value / 1000000) : value
}
function row(title, key, kind,   b, s) {
  b = got[1, key]; s = got[2, key]
  printf "%-24s%13s%13s%17s\n", title, shown(kind, b), shown(kind, s), (b != "" && s > 0 ? sprintf("%.1f", b / s) : "")
}
function bar(run, mode,   most, eighths, all) { # at most 50 characters, the last in eighths
  most = got[1, "heap_peak"] > got[2, "heap_peak"] ? got[1, "heap_peak"] : got[2, "heap_peak"]
  split("▏ ▎ ▍ ▌ ▋ ▊ ▉", part, " ")
  for (eighths = int(got[run, "heap_peak"] / most * 400 + 0.999); eighths >= 8; eighths -= 8) all = all "█"
  printf "  %s %s %s\n", mode, all part[eighths], size(got[run, "heap_peak"])
}
END {
  printf "\n%s (%s), %d viewers\n\n", ENVIRON["SHOWN"], size(file_bytes), viewers
  printf "%-24s%13s%13s%17s\n", "", "buffer", "stream", "buffer : stream"
  row("at once", "at_once"); row("each held" at_most, "request_peak_max", "size")
  row("heap peak", "heap_peak", "size"); row("RSS peak", "rss_peak", "size")
  row("first byte, median", "first_byte_us_median", "ms"); row("first byte, worst", "first_byte_us_max", "ms")
  row("time in all", "time", "s")
  print "\nheap peak"; bar(1, "buffer"); bar(2, "stream")
  few = got[1, "at_once"] < got[2, "at_once"] ? got[1, "at_once"] : got[2, "at_once"]
  if (few < viewers) printf "\nOnly %d of %d overlapped. More do with a lower rate (-r) or a larger file.\n", few, viewers
  b = got[1, "request_peak_max"]; s = got[2, "request_peak_max"]
  if (!file_bytes) print "\nThe file is empty, so the modes do not differ: each viewer held the head of the answer."
  else printf "\nEach viewer held%s %s with buffer and %s with stream. A thousand at once would hold %s and %s of heap.\n", \
    at_most, size(b), size(s), size(1000 * b), size(1000 * s)
}
