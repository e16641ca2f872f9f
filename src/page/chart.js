// Draws the curves, the requests below them, and the axes: everything on one canvas, from what it is given.

import { Places, spread } from './labels.js';
import { drawLanes, laneHeight, nameLanes, nameOf } from './lanes.js';
import { LIMIT_DASHES, PEAK_RADIUS, dot, line, write } from './pen.js';
import { marks, seconds } from './scale.js';
import { DASHES } from './theme.js';
import { size } from './units.js';

const WIDE_EMS = 48;
// Without news for so long, a curve is not drawn on.
const HEARD_MS = 2500;
// A rise by less than this part of the axis is not marked as a peak.
const FLAT_PART = 0.02;

// Where everything stands, for a canvas of this size. `view` is {from, to, spanMs, histories, scaleBytes, cursor, isPaused}.
export function frame(pen, width, height, theme, view) {
  const { em } = theme, isWide = width > WIDE_EMS * em;
  const left = 4.4 * em, right = width - (isWide ? 9.4 : 0.7) * em;
  const top = 2.2 * em, lanes = laneHeight(em, height) + 0.5 * em;
  const bottom = height - 1.9 * em - view.histories.length * lanes;
  const x = at => left + (at - view.from) / (view.to - view.from) * (right - left);
  const y = bytes => bottom - bytes / view.scaleBytes * (bottom - top);
  return { pen, theme, view, width, height, em, isWide, left, right, top, bottom, lanes, x, y, places: new Places() };
}

export function draw(f) {
  const { pen, em, theme } = f;
  pen.clearRect(0, 0, f.width, f.height);
  pen.font = `${em}px ${theme.family}`;
  pen.lineJoin = 'round';
  drawAxes(f);
  clipped(f, () => {
    const all = f.view.histories.flatMap(history => history.stretches.map(stretch => [history, stretch]));
    // Dashed curves come last, so that one behind shows through where two coincide.
    for (const [history, stretch] of all.sort(([, a], [, b]) => DASHES[a.look].length - DASHES[b.look].length)) drawStretch(f, history, stretch);
    drawLanes(f);
  });
  nameLanes(f);
  drawLimits(f);
  markPeaks(f);
  markRestarts(f);
  if (f.isWide) nameCurves(f);
  if (f.view.cursor !== null) drawCursor(f);
}

function clipped({ pen, left, right, height }, drawing) {
  pen.save();
  pen.beginPath();
  pen.rect(left, 0, right - left, height);
  pen.clip();
  drawing();
  pen.restore();
}

function drawAxes(f) {
  const { quiet, line: grey } = f.theme.colours;
  const { unit, name, values } = marks(f.view.scaleBytes);
  for (const value of values) {
    const at = Math.round(f.y(value * unit)) + 0.5;
    line(f, [[f.left, at], [f.right, at]], grey, 1);
    write(f, value.toLocaleString('en'), f.left - 0.5 * f.em, at, 'right', quiet);
  }
  write(f, name, f.left - 0.5 * f.em, f.top - 1.2 * f.em, 'right', quiet);
  const { to, spanMs } = f.view, textY = f.height - 0.8 * f.em;
  for (const back of seconds(spanMs, !f.isWide)) {
    const at = Math.round(f.x(to - back * 1000)) - 0.5;
    line(f, [[at, f.bottom], [at, textY - 0.8 * f.em]], grey, 1);
    const last = f.view.isPaused ? 'paused' : 'now';
    write(f, back ? `−${back} s` : last, at, textY, back || f.isWide ? 'center' : 'right', quiet);
  }
}

// The points in view and their neighbours, in pieces without a gap.
function pieces({ view: { from, to } }, history, stretch) {
  const { points } = stretch, last = points.at(-1);
  if (!last) return [];
  const drawn = points.filter((point, i) => (points[i + 1] ?? point).at >= from && (points[i - 1] ?? point).at <= to);
  const isCurrent = history.now === stretch && history.isLive;
  if (isCurrent && to - last.at < HEARD_MS && to > last.at) drawn.push({ ...last, at: to, starts: false });
  const found = [];
  for (const point of drawn) {
    if (point.starts || !found.length) found.push([]);
    found.at(-1).push(point);
  }
  return found;
}

function drawStretch(f, history, stretch) {
  const { pen, x, y, bottom } = f, { colours } = f.theme;
  const heap = colours[stretch.look], rss = colours[`${stretch.look}-rss`], dashes = DASHES[stretch.look];
  for (const piece of pieces(f, history, stretch)) {
    const curve = figure => piece.filter(point => point[figure] !== null).map(point => [x(point.at), y(point[figure])]);
    const live = curve('live');
    pen.globalAlpha = 0.13;
    pen.fillStyle = heap;
    pen.beginPath();
    for (const point of [[live[0][0], bottom], ...live, [live.at(-1)[0], bottom]]) pen.lineTo(...point);
    pen.fill();
    pen.globalAlpha = 1;
    line(f, curve('rss'), rss, 1.5, dashes);
    line(f, live, heap, 3, dashes);
  }
  pen.setLineDash([]);
}

const isInScale = (f, limit) => limit <= f.view.scaleBytes;

// Each stretch has its own limit, or none. One that is far above the curves is only said in the card.
function drawLimits(f) {
  const { alarm } = f.theme.colours;
  for (const history of f.view.histories) {
    for (const stretch of history.stretches.filter(({ heapLimit, points }) => heapLimit && points.length && isInScale(f, heapLimit))) {
      const isCurrent = stretch === history.now, { heapLimit: limit, points } = stretch;
      const from = Math.max(f.left, f.x(points[0].at)), to = isCurrent ? f.right : Math.min(f.right, f.x(points.at(-1).at));
      if (to < f.left) continue;
      line(f, [[from, f.y(limit)], [to, f.y(limit)]], alarm, 1.5, LIMIT_DASHES);
    }
  }
  f.pen.setLineDash([]);
}

// Writes it on a ground of its own, unless its place is taken.
function placeText(f, text, x, y, align, colour) {
  const { pen, em } = f, width = pen.measureText(text).width + 0.5 * em;
  const left = align === 'left' ? x : x - width / 2;
  if (!f.places.place({ left, right: left + width, top: y - 0.65 * em, bottom: y + 0.65 * em })) return false;
  pen.globalAlpha = 0.85;
  pen.fillStyle = f.theme.colours.card;
  pen.fillRect(left, y - 0.65 * em, width, 1.3 * em);
  pen.globalAlpha = 1;
  write(f, text, left + 0.25 * em, y, 'left', colour);
  return true;
}

const inView = ({ view: { from, to } }, points) => points.filter(({ at }) => at >= from && at <= to);

const stretchesOf = ({ view: { histories } }) => histories.flatMap(({ stretches }) => stretches);

// The highest point of each stretch in view, unless the curve is as good as flat there.
function markPeaks(f) {
  for (const { points, look } of stretchesOf(f)) {
    const seen = inView(f, points);
    if (!seen.length) continue;
    const highest = seen.reduce((best, point) => (point.peak > best.peak * 1.01 ? point : best));
    const most = Math.max(...seen.map(({ peak }) => peak));
    const rise = most - Math.min(...seen.map(({ live }) => live));
    if (rise > FLAT_PART * f.view.scaleBytes) markPeak(f, { ...highest, peak: most }, f.theme.colours[look]);
  }
}

function markPeak(f, { at, peak, live }, colour) {
  const { pen, em } = f, x = f.x(at), y = f.y(peak);
  line(f, [[x, f.y(live)], [x, y]], colour, 1.5);
  dot(f, x, y, PEAK_RADIUS, colour);
  const text = `peak ${size(peak)}`, half = pen.measureText(text).width / 2 + 0.3 * em;
  const textX = Math.min(Math.max(x, f.left + half), f.right - half);
  // Above all that is drawn there; where that is another curve, its label would be taken for this one's.
  const above = skyline(f, textX - half, textX + half);
  if (y - above > 0.5 * em) return;
  placeText(f, text, textX, Math.max(above - 1.1 * em, 0.7 * em), 'center', colour);
}

// The highest place that a curve reaches between two places of the time axis.
function skyline(f, left, right) {
  const points = stretchesOf(f).flatMap(stretch => stretch.points).filter(({ at }) => f.x(at) >= left && f.x(at) <= right);
  return points.reduce((highest, { peak, rss }) => Math.min(highest, f.y(Math.max(peak, rss ?? 0))), f.bottom);
}

// Where a server came back, and as what.
function markRestarts(f) {
  for (const { stretches } of f.view.histories) {
    for (const [i, { points, look, mode, pid }] of stretches.entries()) {
      const at = f.x(points[0]?.at ?? -Infinity);
      if (i === 0 || at < f.left || at > f.right) continue;
      line(f, [[at, f.top - 0.4 * f.em], [at, f.bottom]], f.theme.colours[look], 1, [2, 3]);
      f.pen.setLineDash([]);
      const text = `from here: ${mode}, process ${pid}`, last = f.right - f.pen.measureText(text).width;
      placeText(f, text, Math.min(at, last), f.top - 1.1 * f.em, 'left', f.theme.colours[look]);
    }
  }
}

// The names at the ends of the curves, each with a line to its curve.
function nameCurves(f) {
  const labels = f.view.histories.flatMap(history => namesOf(f, history));
  for (const { y, textY, text, colour } of spread(labels, f.top - 0.5 * f.em, f.bottom + 0.5 * f.em, 1.25 * f.em)) {
    line(f, [[f.right + 2, y], [f.right + 0.6 * f.em, y], [f.right + 1.3 * f.em, textY], [f.right + 1.6 * f.em, textY]], colour, 1);
    write(f, text, f.right + 1.8 * f.em, textY, 'left', colour);
  }
}

function namesOf(f, history) {
  const last = history.now && inView(f, history.now.points).at(-1);
  if (!last) return [];
  const { look } = history.now, { colours } = f.theme, name = nameOf(f.view.histories, history);
  const { heapLimit: limit } = history.now;
  return [
    ...(limit && isInScale(f, limit) ? [{ text: `limit ${size(limit)}`, y: f.y(limit), colour: colours.alarm }] : []),
    ...(last.rss === null ? [] : [{ text: `${name} RSS`, y: f.y(last.rss), colour: colours[look] }]),
    { text: `${name} heap`, y: f.y(last.live), colour: colours[look] },
  ];
}

function drawCursor(f) {
  const x = f.left + f.view.cursor * (f.right - f.left);
  line(f, [[x, f.top], [x, f.height - 1.9 * f.em]], f.theme.colours.text, 1);
}
