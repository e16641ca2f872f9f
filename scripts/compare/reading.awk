# What each mode did, by the variable `mode`: from its trace, whose last line has the totals, and from its samples.
function most(what, value) { if (value != "" && value > got[mode, what] + 0) got[mode, what] = value }
# A request that ends counts itself as in flight, so the trace also has the most that were in flight at once.
{ most("flight", figure("in_flight")); most("peak", figure("live_peak"))
  most("largest", figure("largest_request_peak")); most("rss_peak", figure("rss_peak")) }
/"event":"request"/ {
  end = figure("at_us"); begin = end - figure("duration_us"); first = figure("first_byte_us")
  if (!((mode, "begin") in got) || begin < got[mode, "begin"]) got[mode, "begin"] = begin
  most("end", end)
  for (i = ++requests[mode]; i > 1 && first_at[mode, i - 1] > first; i--) first_at[mode, i] = first_at[mode, i - 1]
  first_at[mode, i] = first # kept sorted, for the median
}
/"event":"sample".*}$/ {
  i = ++samples[mode]; time[mode, i] = figure("at_us"); live[mode, i] = figure("live")
  got[mode, "rss_after"] = figure("rss")
}
function sum_up(mode,   n) {
  n = requests[mode]; span[mode] = time[mode, samples[mode]] - time[mode, 1] + 1
  got[mode, "all"] = got[mode, "end"] - got[mode, "begin"]
  got[mode, "median"] = (first_at[mode, int((n + 1) / 2)] + first_at[mode, int(n / 2) + 1]) / 2
  got[mode, "worst"] = first_at[mode, n]
  got[mode, "each"] = got[mode, "peak"] / got[mode, "flight"]
}
# The largest heap that was sampled in part c of n parts of the time.
function heap_in(mode, c, n,   i, most_live) {
  for (i = 1; i <= samples[mode]; i++)
    if (int((time[mode, i] - time[mode, 1]) / span[mode] * n) == c && live[mode, i] > most_live) most_live = live[mode, i]
  return most_live
}
END {
  sum_up("buffer"); sum_up("stream")
  scale = got["buffer", "peak"] > got["stream", "peak"] ? got["buffer", "peak"] : got["stream", "peak"]
}
