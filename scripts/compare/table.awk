# Prints what reading.awk has read, as a table, bars and one sentence.
function shown(kind, value) {
  if (kind == "ms") return sprintf("%.1f ms", value / 1000)
  return kind == "size" ? size(value) : kind == "s" ? sprintf("%.1f s", value / 1000000) : value
}
function row(title, what, kind,   b, s) {
  b = got["buffer", what]; s = got["stream", what]
  ratio = b != "" && s > 0 ? sprintf("%.1f", b / s) : ""
  printf "%-24s%13s%13s%17s\n", title, shown(kind, b), shown(kind, s), ratio
}
function bar(value,   eighths, all) { # at most 50 characters, the last in eighths
  split("▏ ▎ ▍ ▌ ▋ ▊ ▉", part, " ")
  for (eighths = int(value / scale * 400 + 0.999); eighths >= 8; eighths -= 8) all = all "█"
  return all part[eighths]
}
function bar_of(mode) { printf "  %s %s %s\n", mode, bar(got[mode, "peak"]), size(got[mode, "peak"]) }
function line(mode,   c, h, top) { # the heap over time
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
  if (few < viewers) printf "\nOnly %d of %d overlapped. More do with a lower rate (-r) or a larger file.\n", few, viewers
  printf "\nFor %d viewer%s of this file at once, buffer takes %s of heap (%s each) and stream %s (%s each); " \
    "for a thousand it would be %s and %s.\n", few, (few == 1 ? "" : "s"), size(got["buffer", "peak"]), \
    size(got["buffer", "each"]), size(got["stream", "peak"]), size(got["stream", "each"]), \
    size(1000 * got["buffer", "each"]), size(1000 * got["stream", "each"])
}
