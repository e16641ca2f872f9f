// What of the past is in view, where the cursor is, and when the chart is drawn again.

import { draw, frame } from './chart.js';
import { Scale } from './scale.js';
import { theme, watchTheme } from './theme.js';

const SPANS_MS = [15_000, 30_000, 60_000];
const FRAME_MS = 48, CALM_FRAME_MS = 500;
const calm = matchMedia('(prefers-reduced-motion: reduce)');

export class View {
  scale = new Scale();
  cursor = null;     // from 0, the left end, to 1
  chosenMs = null;   // how much is in view; null: as much as there is to see
  frozen = null;     // {histories, to}, while it is paused
  isStale = true;
  drawnAt = -Infinity;

  // `histories()` gives those to draw, each with `isLive`.
  constructor(canvas, histories) {
    this.canvas = canvas;
    this.pen = canvas.getContext('2d');
    this.live = histories;
    watchTheme(() => this.stale());
    const turn = now => { requestAnimationFrame(turn); this.turn(now); };
    requestAnimationFrame(turn);
  }

  get histories() {
    return this.frozen?.histories ?? this.live();
  }

  get to() {
    return this.frozen?.to ?? performance.now();
  }

  get spanMs() {
    if (this.chosenMs) return this.chosenMs;
    const { to } = this;
    const begun = this.histories.flatMap(({ stretches }) => stretches.flatMap(({ points }) => points.slice(0, 1)));
    const seenMs = to - Math.min(to, ...begun.map(({ at }) => at));
    return SPANS_MS.find(span => span >= seenMs) ?? SPANS_MS.at(-1);
  }

  // What is in view, as times: `from` and `to`.
  get range() {
    const { to, spanMs } = this;
    return { from: to - spanMs, to, spanMs };
  }

  stale() {
    this.isStale = true;
  }

  pause(isPaused) {
    this.frozen = isPaused ? { to: performance.now(), histories: this.live().map(history => history.frozen()) } : null;
    this.stale();
  }

  show(spanMs) {
    this.chosenMs = spanMs;
    this.stale();
  }

  reset() {
    this.scale.reset();
    this.stale();
  }

  move(cursor) {
    this.cursor = cursor === null ? null : Math.min(1, Math.max(0, cursor));
    this.stale();
  }

  // Curves that are not flat move through the picture as time goes by.
  get flows() {
    return !this.frozen && this.live().some(({ requests, stretches }) => requests.length > 0 || stretches.length > 1 || isUneven(stretches));
  }

  turn(now) {
    if (now - this.drawnAt < (calm.matches ? CALM_FRAME_MS : FRAME_MS)) return;
    if (!this.isStale && !this.flows) return;
    this.drawnAt = now;
    this.isStale = false;
    this.draw();
  }

  draw() {
    const ratio = devicePixelRatio, { clientWidth: width, clientHeight: height } = this.canvas;
    const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== pixels[0] || this.canvas.height !== pixels[1]) [this.canvas.width, this.canvas.height] = pixels;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.frame = this.drawOn(this.pen, width, height);
  }

  // Also for the picture that is kept.
  drawOn(pen, width, height) {
    const { range, histories, cursor } = this;
    this.scale.fit(histories, range.from, range.to);
    const shown = { ...range, histories, cursor, scaleBytes: this.scale.bytes, isPaused: Boolean(this.frozen) };
    const drawn = frame(pen, width, height, theme(), shown);
    draw(drawn);
    return drawn;
  }
}

const FLAT_BYTES = 100_000;

function isUneven(stretches) {
  const heaps = (stretches.at(-1)?.points ?? []).map(({ live }) => live);
  return Math.max(...heaps) - Math.min(...heaps) > FLAT_BYTES;
}
