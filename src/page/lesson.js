// What is seen, as a sentence.

import { median, ms, several, size, whole } from './units.js';

const THOUSAND = 1000;

// The load that tells most about a mode: the one with the most viewers in view, else the last one.
function telling(loads, oldest) {
  const inView = loads.filter(load => load.to >= oldest);
  if (!inView.length) return loads.at(-1);
  return inView.reduce((best, load) => (load.viewers >= best.viewers ? load : best));
}

const rise = load => Math.max(0, load.peak - load.base);

// Those that were refused were in flight for a moment as well, but held nothing.
const viewersOf = ({ refused, viewers, atPeak }) => (refused && atPeak ? atPeak : viewers);

const each = load => rise(load) / load.viewers;

// `First byte after 357 ms and 0.07 ms.`, in the order of the loads.
function firstBytes(loads) {
  const times = loads.map(load => median(load.firstBytes));
  if (times.includes(null)) return '';
  return ` First byte after ${times.map(time => `${ms(time)} ms`).join(' and ')}.`;
}

function refused(loads) {
  return loads.filter(load => load.refused).map(({ mode, refused }) => ` ${mode} refused ${several(refused, 'viewer')}.`).join('');
}

function ofOne(load) {
  const holds = `${several(load.viewers, 'viewer')}: ${load.mode} holds ${size(load.peak)}`;
  const cost = `${size(Math.round(each(load)))} each; a thousand would take ${size(Math.round(load.base + each(load) * THOUSAND))}.`;
  return `${holds}, ${cost}${firstBytes([load])}${refused([load])}`;
}

const times = ratio => (ratio < 10 ? ratio.toFixed(1) : whole(Math.round(ratio)));

function ofTwo(more, less) {
  const end = firstBytes([more, less]) + refused([more, less]);
  if (more.viewers === less.viewers) {
    const ratio = times(more.peak / less.peak);
    return `${several(more.viewers, 'viewer')}: ${more.mode} holds ${size(more.peak)}, ${less.mode} ${size(less.peak)}: ${ratio} times as much.${end}`;
  }
  const holds = load => `${load.mode} holds ${size(load.peak)} for ${several(load.viewers, 'viewer')}`;
  const [most, least] = [more, less].map(each).sort((a, b) => b - a);
  const ratio = least > 0 ? `, ${times(most / least)} times as much` : '';
  return `${holds(more)}, ${holds(less)}. One viewer costs ${size(Math.round(each(more)))} with ${more.mode} and ${size(Math.round(each(less)))} with ${less.mode}${ratio}.${end}`;
}

// What these servers' loads show; `oldest` is where the view begins. An empty text: nothing yet.
export function lesson(histories, oldest) {
  const loads = histories.flatMap(history => history.loads.all).filter(load => load.viewers > 0);
  const modes = [...new Set(loads.map(load => load.mode))];
  const found = modes.map(mode => telling(loads.filter(load => load.mode === mode), oldest))
    .map(load => ({ ...load, viewers: viewersOf(load) }));
  const [most, second] = found.sort((a, b) => each(b) - each(a));
  if (!most) return '';
  return second ? ofTwo(most, second) : ofOne(most);
}

export const isUnderLoad = histories => histories.some(history => history.loads.open);
