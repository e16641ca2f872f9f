// The requests, each as a line of its own in the lane of its server: a bar where it began, a ring where it ended.

import { line, ring, write } from './pen.js';
import { whole } from './units.js';

// Closer together than this, lines would touch; then the lane shows how many requests there were at each time.
const STEP_LEAST = 2.7, STEP_MOST = 8;

export const laneHeight = (em, height) => Math.min(6.2 * em, height * 0.19);

export function drawLanes(f) {
  const tall = f.lanes - 0.5 * f.em;
  f.view.histories.forEach((history, i) => {
    const top = f.bottom + 0.5 * f.em + i * f.lanes;
    const known = knownTo(history);
    const seen = history.requests.map(request => ({ ...request, until: request.to ?? Math.max(request.from, known) }))
      .filter(({ from, until }) => until >= f.view.from && from <= f.view.to);
    const rows = Math.max(0, ...seen.map(({ row }) => row)) + 1;
    if (tall / rows >= STEP_LEAST) drawLines(f, seen, top, Math.min(STEP_MOST, tall / rows));
    else drawCounts(f, seen, top, tall);
  });
}

// Whether a request still ran after its server was last heard, nobody knows.
const knownTo = ({ isLive, now }) => (isLive ? Infinity : now?.points.at(-1)?.at ?? -Infinity);

// The mode, or the port where two servers have the same mode.
export function nameOf(histories, history) {
  const same = histories.filter(({ now }) => now?.mode === history.now.mode);
  return same.length < 2 ? history.now.mode : `:${new URL(history.origin).port || 80}`;
}

// Outside the part that is clipped.
export function nameLanes(f) {
  f.view.histories.forEach((history, i) => {
    const { now } = history;
    if (now) write(f, nameOf(f.view.histories, history), f.left - 0.5 * f.em, f.bottom + i * f.lanes + f.lanes / 2, 'right', f.theme.colours[now.look]);
  });
}

function drawLines(f, seen, top, step) {
  const { pen } = f, thick = Math.min(3, step - 1.5), mark = Math.min(7, step);
  for (const { from, to, until, row, stretch } of seen) {
    const y = top + (row + 0.5) * step, begin = f.x(from), end = Math.min(f.x(until), f.right + 9);
    const colour = f.theme.colours[stretch.look];
    line(f, [[begin, y], [end, y]], f.theme.colours[`${stretch.look}-rss`], thick);
    pen.fillStyle = colour;
    pen.fillRect(begin - 1.5, y - mark / 2, 3, mark);
    if (to !== null) ring(f, end, y, Math.max(1.2, mark / 2 - 1), colour);
  }
}

// So many requests ran at the same time that lines would be drawn over each other: an area, and the most of it.
function drawCounts(f, seen, top, tall) {
  const stretches = [...new Set(seen.map(({ stretch }) => stretch))];
  const counts = stretches.map(stretch => countTurns(seen.filter(request => request.stretch === stretch)));
  const most = Math.max(...counts.map(([, each]) => each));
  counts.forEach(([turns], i) => drawCount(f, turns, top, tall, most, stretches[i].look));
  write(f, `up to ${whole(most)} at once`, f.left + 0.4 * f.em, top + 0.4 * f.em, 'left', f.theme.colours.quiet);
}

// When requests began and ended, in order, and how many ran at most.
function countTurns(seen) {
  const turns = seen.flatMap(({ from, until }) => [[from, 1], [until, -1]]).sort((a, b) => a[0] - b[0]);
  let running = 0, most = 1;
  for (const [, turn] of turns) most = Math.max(most, running += turn);
  return [turns, most];
}

function drawCount(f, turns, top, tall, most, look) {
  const { pen } = f, bottom = top + tall;
  const y = number => bottom - number / most * (tall - f.em);
  let running = 0;
  pen.fillStyle = f.theme.colours[`${look}-rss`];
  pen.beginPath();
  pen.moveTo(f.left, bottom);
  for (const [at, turn] of turns) {
    const x = Math.min(Math.max(f.x(at), f.left), f.right);
    pen.lineTo(x, y(running));
    pen.lineTo(x, y(running += turn));
  }
  pen.lineTo(f.right, y(running));
  pen.lineTo(f.right, bottom);
  pen.fill();
}
