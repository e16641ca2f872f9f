// The sentence at the top of the page: what the runs of the servers show, in words.
//
// A run is what a server told of it (see checked.js), with `name` (of its mode or server), `file`, `isRunning`, and
// `to`, the page's time of its end. One that runs on a server which is not heard any more `isLost`.

import { ms, several, size, whole } from './units.js';

const THOUSAND = 1000;

// An empty text if there is nothing to tell. `oldest` is where the view begins.
export function sentence(runs, oldest) {
  const [buffers, streams] = ['buffer', 'stream'].map(mode => runs.filter(run => run.mode === mode && run.requests > 0));
  const pair = equalPair(buffers, streams, oldest);
  if (pair) return sorted(pair, ({ heap_peak }) => heap_peak, ofEqual);
  const found = [buffers, streams].filter(all => all.length).map(all => telling(all, oldest));
  const isComparable = found.length === 2 && isOneFile(...found) && found.every(run => typical(run) !== null);
  return isComparable ? sorted(found, typical, ofEach) : found.map(ofOne).join(' ');
}

const isOneFile = (a, b) => a.file === b.file && a.file_bytes === b.file_bytes;
const sorted = ([a, b], figure, tell) => (figure(a) >= figure(b) ? tell(a, b) : tell(b, a));

// The last two runs in view with equal numbers of requests, all of which were answered, and whose memory was most of the
// heap. With small files it is not, and then the heaps say nothing about the modes.
function equalPair(buffers, streams, oldest) {
  const isSame = (a, b) => isOneFile(a, b) && a.requests === b.requests && a.at_once === b.at_once;
  const pairs = buffers.flatMap(a => streams.filter(b => isSame(a, b)).map(b => [a, b]))
    .filter(pair => pair.every(run => run.to >= oldest && run.refused === 0 && isMostOfHeap(run)));
  const ended = pair => Math.min(...pair.map(({ to }) => to));
  return pairs.reduce((best, pair) => (best && ended(best) > ended(pair) ? best : pair), null);
}

// The run that tells most about a mode: the one with the most requests in view, else the last one.
function telling(runs, oldest) {
  const inView = runs.filter(({ to }) => to >= oldest);
  return inView.reduce((best, run) => (best && served(best) > served(run) ? best : run), null) ?? runs.at(-1);
}

const isMostOfHeap = run => run.at_once * (held(run)?.[1] ?? 0) > run.heap_peak / 2;
const served = ({ requests, refused }) => requests - refused;
const isOver = run => !run.isRunning;

// The least and the most that a request held; null where that is not known.
function held(run) {
  const figures = run.isRunning ? [run.request_peak_min, run.request_peak_max, run.held_min, run.held_max] : [run.request_peak_min, run.request_peak_max];
  const known = figures.filter(figure => figure !== null);
  return known.length ? [Math.min(...known), Math.max(...known)] : null;
}

// What one request held: a median only after the end, else a figure that all of them share.
function typical(run) {
  if (isOver(run)) return run.request_peak_median;
  const range = held(run);
  return range && size(range[0]) === size(range[1]) ? range[1] : null;
}

function each(run) {
  const [least, most] = held(run).map(size);
  if (least === most) return most;
  return `${least} to ${most}${isOver(run) ? ` (median ${size(run.request_peak_median)})` : ''}`;
}

function many({ requests, at_once }) {
  const all = several(requests, 'request');
  if (requests === 1) return all;
  if (at_once === 1) return `${all}, one at a time`;
  return at_once === requests ? `${all} at once` : `${all}, ${whole(at_once)} at once at most`;
}

// A run goes on for a second after its last answer, but nothing is held any more.
const holdsNow = run => run.isRunning && !run.isLost && run.in_flight > 0;
const verb = run => (holdsNow(run) ? 'holds up to' : run.isLost && run.isRunning ? 'held up to' : 'needed');
const holds = runs => (runs.some(holdsNow) ? 'holds' : 'held');

function ofOne(run) {
  const all = run.requests === 1 ? 'the only request' : `all ${whole(run.requests)} requests`;
  if (served(run) === 0) return `${run.name} refused ${all} for lack of memory.`;
  const range = held(run), cost = range ? `, ${each(run)} each` : '';
  const isSteady = range && isOver(run) && run.refused === 0 && run.file_bytes > 0 && size(range[0]) === size(range[1]);
  const thousand = isSteady ? ` A thousand at once would hold ${size(range[1] * THOUSAND)}.` : '';
  return `${many(run)}: ${run.name} ${verb(run)} ${size(run.heap_peak)} of heap${run.requests === 1 ? '' : cost}.${thousand}${rest([run])}`;
}

function ofEqual(more, less) {
  const same = verb(more) === verb(less) ? '' : `${verb(less)} `;
  const ratio = times(more.heap_peak, less.heap_peak);
  const total = `${many(more)}: ${more.name} ${verb(more)} ${size(more.heap_peak)} of heap, ${less.name} ${same}${size(less.heap_peak)}: ${ratio}.`;
  const both = held(more) && held(less) ? ` Each request ${holds([more, less])} ${each(more)} and ${each(less)}.` : '';
  return `${total}${both}${rest([more, less])}`;
}

function ofEach(more, less) {
  const one = run => `${each(run)} with ${run.name} (${many(run)})`;
  return `Each request ${holds([more, less])} ${one(more)} and ${one(less)}: ${times(typical(more), typical(less))}.${rest([more, less])}`;
}

function times(more, less) {
  const ratio = more / less;
  if (ratio < 1.05 || less === 0) return 'about the same';
  return `${ratio < 9.95 ? ratio.toFixed(1) : whole(Math.round(ratio))} times as much`;
}

// What else is to be known of these runs.
const rest = runs => `${firstBytes(runs)}${runs.map(unserved).join('')}${runs[0].file_bytes === 0 ? ' The file is empty.' : ''}`;

function firstBytes(runs) {
  const known = runs.map(run => run.first_byte_us_median);
  if (!runs.every(isOver) || known.includes(null) || runs.some(({ file_bytes }) => file_bytes === 0)) return '';
  const median = runs.every(run => run.requests === 1) ? '' : ` (median${runs.length > 1 ? 's' : ''})`;
  return ` The server sent the first byte after ${known.map(us => `${ms(us)} ms`).join(' and ')}${median}.`;
}

function unserved(run) {
  const cut = served(run) - run.complete - run.in_flight, of = `of ${several(run.requests, 'request')}`;
  const refused = run.refused ? ` ${run.name} refused ${whole(run.refused)} ${of}.` : '';
  return `${refused}${cut > 0 ? ` ${whole(cut)} ${of} with ${run.name} ${cut === 1 ? 'was' : 'were'} cut short.` : ''}`;
}
