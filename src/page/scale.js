// The axes: which numbers stand at them.

import { MIB } from './units.js';

const LEAST_MIB = 10;

// 1, 2 or 5 and zeros: the least such number that leaves a little air above. Without a loop, for any number.
export function niceAbove(value) {
  const wanted = Math.max(LEAST_MIB, value * 1.06);
  if (!Number.isFinite(wanted)) return LEAST_MIB;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].find(digit => digit * power >= wanted) * power;
}

// The marks of an axis from 0 to this: fifths or, if it begins with a 2, quarters.
export function marks(most) {
  const steps = String(most)[0] === '2' ? 4 : 5;
  return Array.from({ length: steps + 1 }, (_, i) => (most / steps) * i);
}

// Seconds before now, some six of them.
export function seconds(spanMs, isNarrow) {
  const step = spanMs <= 15_000 ? 3 : spanMs / 6000;
  const every = isNarrow ? step * 2 : step;
  return Array.from({ length: Math.floor(spanMs / 1000 / every) + 1 }, (_, i) => i * every);
}

// A limit that is far above all that happens would press the curves flat; it is then said, not drawn to scale.
const LIMIT_FAR = 20;

export class Scale {
  mib = LEAST_MIB;

  // It grows at once, and shrinks only when it is reset.
  fit(histories, from, to) {
    const most = Math.max(0, ...histories.map(history => highest(history, from, to)));
    this.mib = Math.max(this.mib, niceAbove(most / MIB));
  }

  reset() {
    this.mib = LEAST_MIB;
  }
}

// At least a copy of the file: otherwise an idle server would fill the chart.
function highest({ stretches, latest }, from, to) {
  let most = latest?.file_bytes ?? 0;
  const limit = latest?.heap_limit ?? 0;
  for (const { points } of stretches) {
    for (const { at, peak, rss } of points) {
      if (at >= from && at <= to) most = Math.max(most, peak, rss ?? 0);
    }
  }
  return limit < most * LIMIT_FAR ? Math.max(most, limit) : most;
}
