# Draws the two heaps over time, which reading.awk has read, as SVG. The colours can be seen on white and on black.
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
function curve(mode, legend_x, style,   c, cells, h, points) { # with its legend
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
  print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 390\"" \
    " font-family=\"sans-serif\" font-size=\"14\" fill=\"#7a828c\">"
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
}
