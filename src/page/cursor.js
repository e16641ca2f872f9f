// The figures at one time of the chart: under the pointer, or at the place chosen with the arrow keys.

import { several, size } from './units.js';

const STEP = 1 / 60, PAGE = 1 / 6;
// A sample further away than this says nothing about the time in question.
const NEAR_MS = 1500;

// The chart is a slider over time: what screen readers know to read aloud as it moves.
export function readAt(view, slider, readout) {
  const { canvas } = view;
  const move = cursor => { view.move(cursor); tell(view, slider, readout, true); };
  for (const kind of ['pointermove', 'pointerdown']) canvas.addEventListener(kind, ({ offsetX }) => move(placeOf(view, offsetX)));
  canvas.addEventListener('pointerleave', ({ pointerType }) => {
    if (pointerType === 'mouse' && document.activeElement !== slider) move(null);
  });
  slider.addEventListener('keydown', event => {
    const to = target(view.cursor, event);
    if (to === undefined) return;
    event.preventDefault();
    move(to);
  });
  slider.addEventListener('blur', () => move(null));
  // As time goes by the figures change; what is read aloud does not, until somebody moves the cursor again.
  return () => { if (view.cursor !== null) tell(view, slider, readout, false); };
}

function placeOf({ frame }, x) {
  return frame ? (x - frame.left) / (frame.right - frame.left) : null;
}

// Where a key moves the cursor; undefined if it does not.
function target(cursor, { key, shiftKey }) {
  const step = shiftKey ? PAGE : STEP, at = cursor ?? 1;
  return {
    ArrowLeft: at - step, ArrowDown: at - step, ArrowRight: cursor === null ? 1 : at + step, ArrowUp: at + step,
    PageDown: at - PAGE, PageUp: at + PAGE, Home: 0, End: 1, Escape: null,
  }[key];
}

function tell(view, slider, readout, isMoved) {
  const { range: { from, to, spanMs }, cursor, frame } = view;
  readout.hidden = cursor === null;
  if (cursor === null) return describe(slider, spanMs, 0, 'No time chosen; the arrow keys choose one.');
  const at = from + cursor * spanMs, back = (at - to) / 1000, time = `${back.toFixed(1).replace('-', '−')} s`;
  const lines = view.histories.flatMap(history => figuresAt(history, at));
  readout.replaceChildren(...[time, ...(lines.length ? lines : ['no figures'])].map(paragraph));
  if (isMoved) describe(slider, spanMs, back, [time, ...lines].join('; '));
  place(readout, cursor, frame);
}

function describe(slider, spanMs, seconds, text) {
  slider.setAttribute('aria-valuemin', String(-spanMs / 1000));
  slider.setAttribute('aria-valuenow', seconds.toFixed(1));
  slider.setAttribute('aria-valuetext', text);
}

function paragraph(text) {
  return Object.assign(document.createElement('p'), { textContent: text });
}

function figuresAt({ stretches }, at) {
  return stretches.map(stretch => [stretch, nearest(stretch.points, at)]).filter(([, point]) => point)
    .map(([{ mode }, { live, rss, inFlight }]) => `${mode}: heap ${size(live)}, RSS ${size(rss)}, ${several(inFlight, 'request')}`);
}

function nearest(points, at) {
  let best = null;
  for (const point of points) {
    if (!best || Math.abs(point.at - at) < Math.abs(best.at - at)) best = point;
  }
  return best && Math.abs(best.at - at) <= NEAR_MS ? best : null;
}

// On the side of the cursor that has more room.
function place(readout, cursor, frame) {
  if (!frame) return;
  const x = frame.left + cursor * (frame.right - frame.left), isLeft = cursor > 0.5;
  readout.style.left = isLeft ? 'auto' : `${x + 12}px`;
  readout.style.right = isLeft ? `${frame.width - x + 12}px` : 'auto';
}
