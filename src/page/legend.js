// The legend, drawn with the strokes of the chart.

import { LIMIT_DASHES, PEAK_RADIUS, dot, line, ring, write } from './pen.js';
import { DASHES, theme } from './theme.js';

const WIDTH = 46, HEIGHT = 16;
const MODES = { buffer: 'buffer', stream: 'stream', other: 'another server' };

// The looks of the stretches that are known, one sample of each kind of stroke.
export function legend(histories, scaleBytes) {
  const looks = [...new Set(histories.flatMap(({ stretches }) => stretches.map(({ look }) => look)))];
  const has = test => histories.some(test);
  return [
    ...looks.flatMap(look => [
      { key: `${look}-heap`, text: `${MODES[look]}: heap`, paint: f => curve(f, look, look, 3) },
      { key: `${look}-rss`, text: `${MODES[look]}: RSS`, paint: f => curve(f, `${look}-rss`, look, 1.5) },
    ]),
    ...looks.slice(0, 1).flatMap(look => [
      { key: `${look}-peak`, text: 'peak', paint: f => dot(f, WIDTH / 2, HEIGHT / 2, PEAK_RADIUS, f.theme.colours[look]) },
      { key: `${look}-request`, text: 'a request, from its beginning to its end', paint: f => request(f, look) },
    ]),
    ...(has(({ latest }) => latest?.heap_limit && latest.heap_limit <= scaleBytes) ? [{ key: 'limit', text: 'heap limit', paint: limit }] : []),
  ];
}

function curve(f, colour, look, width) {
  line(f, [[2, HEIGHT / 2], [WIDTH - 2, HEIGHT / 2]], f.theme.colours[colour], width, DASHES[look]);
}

function request(f, look) {
  const colour = f.theme.colours[look], y = HEIGHT / 2;
  line(f, [[4, y], [WIDTH - 7, y]], f.theme.colours[`${look}-rss`], 3);
  f.pen.fillStyle = colour;
  f.pen.fillRect(3, y - 5, 3, 10);
  ring(f, WIDTH - 7, y, 3, colour);
}

function limit(f) {
  line(f, [[2, HEIGHT / 2], [WIDTH - 2, HEIGHT / 2]], f.theme.colours.alarm, 1.5, LIMIT_DASHES);
}

// Draws the legend into the list, unless it stands there already.
let shown = null;
export function showLegend(list, { histories, scale }) {
  const entries = legend(histories, scale.bytes), key = JSON.stringify([entries.map(entry => entry.key), theme().colours]);
  if (key === shown) return;
  shown = key;
  list.replaceChildren(...entries.map(({ text, paint }) => {
    const item = document.createElement('li'), canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
    [canvas.width, canvas.height, canvas.ariaHidden] = [WIDTH * 2, HEIGHT * 2, 'true'];
    pen.scale(2, 2);
    paint({ pen, theme: theme() });
    item.append(canvas, text);
    return item;
  }));
}

// Draws the legend into a picture, in lines of at most this width.
export function drawLegend(pen, x, y, { histories, scale }, lineWidth) {
  let [left, top] = [x, y];
  for (const { text, paint } of legend(histories, scale.bytes)) {
    const width = WIDTH + 8 + pen.measureText(text).width + 24;
    if (left > x && left + width > x + lineWidth) [left, top] = [x, top + 24];
    pen.save();
    pen.translate(left, top);
    paint({ pen, theme: theme() });
    pen.setLineDash([]);
    pen.restore();
    write({ pen }, text, left + WIDTH + 8, top + HEIGHT / 2, 'left', theme().colours.text);
    left += width;
  }
}
