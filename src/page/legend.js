// The legend, drawn with the strokes of the chart.

import { line } from './pen.js';
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
      { key: `${look}-peak`, text: 'peak', paint: f => dot(f, look) },
      { key: `${look}-request`, text: 'a request, from its beginning to its end', paint: f => request(f, look) },
    ]),
    ...(has(({ latest }) => latest?.heap_limit && latest.heap_limit <= scaleBytes) ? [{ key: 'limit', text: 'heap limit', paint: limit }] : []),
  ];
}

function curve(f, colour, look, width) {
  line(f, [[2, HEIGHT / 2], [WIDTH - 2, HEIGHT / 2]], f.theme.colours[colour], width, DASHES[look]);
}

function dot(f, look) {
  f.pen.fillStyle = f.theme.colours[look];
  f.pen.beginPath();
  f.pen.arc(WIDTH / 2, HEIGHT / 2, 4.5, 0, 7);
  f.pen.fill();
}

function request(f, look) {
  const { pen } = f, colour = f.theme.colours[look], y = HEIGHT / 2;
  line(f, [[4, y], [WIDTH - 7, y]], f.theme.colours[`${look}-rss`], 3);
  pen.fillStyle = colour;
  pen.fillRect(3, y - 5, 3, 10);
  pen.beginPath();
  pen.arc(WIDTH - 7, y, 3, 0, 7);
  pen.fillStyle = f.theme.colours.card;
  pen.fill();
  line(f, [], colour, 1.2);
  pen.beginPath();
  pen.arc(WIDTH - 7, y, 3, 0, 7);
  pen.stroke();
}

function limit(f) {
  line(f, [[2, HEIGHT / 2], [WIDTH - 2, HEIGHT / 2]], f.theme.colours.alarm, 1.5, [8, 3, 2, 3]);
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

// Draws the legend into a picture; the width that it took.
export function drawLegend(pen, x, y, { histories, scale }, entriesWidth) {
  let [left, top] = [x, y];
  for (const { text, paint } of legend(histories, scale.bytes)) {
    const width = WIDTH + 8 + pen.measureText(text).width + 24;
    if (left > x && left + width > x + entriesWidth) [left, top] = [x, top + 24];
    pen.save();
    pen.translate(left, top);
    paint({ pen, theme: theme() });
    pen.setLineDash([]);
    pen.restore();
    pen.fillStyle = theme().colours.text;
    [pen.textAlign, pen.textBaseline] = ['left', 'middle'];
    pen.fillText(text, left + WIDTH + 8, top + HEIGHT / 2);
    left += width;
  }
}
