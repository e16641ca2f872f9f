// The axes: which numbers stand at them.

import { MIB, unitFor } from './units.js';

const LEAST_BYTES = 10 * MIB;
// Numbers that an axis can end with, and the steps that it then has.
const ENDS = [[1, 5], [1.2, 4], [1.5, 3], [2, 4], [2.5, 5], [3, 3], [4, 4], [5, 5], [6, 3], [8, 4], [10, 5]];

// The least such number of bytes, in the unit that suits it, that leaves a little air above. Without a loop, for any number.
export function niceAbove(bytes) {
  const wanted = Math.max(LEAST_BYTES, bytes * 1.06);
  if (!Number.isFinite(wanted)) return LEAST_BYTES;
  const { unit, power } = partsOf(wanted);
  return ENDS.find(([end]) => end * power * unit >= wanted)[0] * power * unit;
}

// Above 1,000, a number has the next unit.
function partsOf(bytes) {
  const [unit, name] = unitFor((bytes - 1) / 1000 * 1024);
  return { unit, name, power: 10 ** Math.floor(Math.log10(bytes / unit) + 1e-9) };
}

// The marks of an axis from 0 to this number of bytes, as {unit, name, values}, with the values in the unit.
export function marks(most) {
  const { unit, name, power } = partsOf(most), value = most / unit;
  const [, steps] = ENDS.find(([end]) => Math.abs(value / power - end) < 0.01) ?? ENDS[0];
  return { unit, name, values: Array.from({ length: steps + 1 }, (_, i) => Number((value / steps * i).toPrecision(6))) };
}

// Seconds before now, some six of them.
export function seconds(spanMs, isNarrow) {
  const step = spanMs <= 15_000 ? 3 : spanMs / 6000;
  const every = isNarrow ? step * 2 : step;
  return Array.from({ length: Math.floor(spanMs / 1000 / every) + 1 }, (_, i) => i * every);
}

// A limit that is further above all that happens would press the curves flat; it is not drawn.
const LIMIT_NEAR = 3;

export class Scale {
  bytes = LEAST_BYTES;

  // It grows at once, and shrinks only when it is reset.
  fit(histories, from, to) {
    const most = Math.max(0, ...histories.map(history => highest(history, from, to)));
    this.bytes = Math.max(this.bytes, niceAbove(most));
  }

  reset() {
    this.bytes = LEAST_BYTES;
  }
}

// At least a copy of the file: otherwise an idle server would fill the chart.
function highest({ stretches, latest }, from, to) {
  const seen = stretches.flatMap(({ points }) => points).filter(({ at }) => at >= from && at <= to);
  const most = seen.reduce((best, { peak, rss }) => Math.max(best, peak, rss ?? 0), latest?.file_bytes ?? 0);
  const limit = latest?.heap_limit ?? 0;
  return limit < most * LIMIT_NEAR ? Math.max(most, limit) : most;
}
