// The form that lets viewers watch: Start, Stop, and how far they are.

import { commandFor, nameAmong, portOf } from './address.js';
import { byId, say, warn } from './fill.js';
import { partOf, several, size } from './units.js';
import { Viewer, isCrowded, room, tellRoom, watchAll, waysTo } from './viewers.js';

const SHOW_EVERY_MS = 200;
const [form, count, rate, start, stop, bar, seats, progress] =
  ['viewers', 'count', 'rate', 'start', 'stop', 'bar', 'seats', 'progress'].map(byId);
const choices = [...form.querySelectorAll('input[type=radio]')];
let hasChosen = false;
let running = null;   // the AbortController of the viewers that watch

export function startForm(servers) {
  form.addEventListener('submit', event => {
    event.preventDefault();
    if (!running) run(servers);
  });
  stop.addEventListener('click', () => running?.abort());
  for (const choice of choices) choice.addEventListener('change', () => { hasChosen = true; });
  form.addEventListener('input', () => offer(servers));
  offer(servers);
}

const live = servers => servers.filter(({ state, history }) => state === 'live' && history.latest);
const modeOf = ({ history }) => history.latest.mode;

// Only modes that are there can be chosen; both, where both are.
export function offer(servers) {
  if (running) return;
  const modes = new Set(live(servers).map(modeOf));
  for (const choice of choices) choice.disabled = choice.value === 'both' ? modes.size < 2 : !modes.has(choice.value);
  const current = choices.find(choice => choice.checked);
  const best = hasChosen && current && !current.disabled ? current : choices.findLast(choice => !choice.disabled);
  if (best) best.checked = true;
  warn(byId('room'), [sameMode(live(servers)), ...foreseen(chosen(servers), count.valueAsNumber)].filter(Boolean).join(' '));
}

// Why there is no `both`, where two servers are up.
function sameMode([one, other]) {
  if (!other || modeOf(one) !== modeOf(other)) return '';
  const command = commandFor(other.history.latest, other.origin);
  return `Both servers are in ${modeOf(one)} mode. To compare the modes, stop the one on port ${portOf(other.origin)}, and run: ${command}`;
}

// What will keep some viewers from watching together with the others.
function foreseen(servers, number) {
  const refused = servers.map(({ history: { latest } }) => {
    const { mode, file_bytes, chunk_bytes, heap_limit } = latest;
    const each = mode === 'buffer' ? file_bytes ?? 0 : Math.min(file_bytes, chunk_bytes), needed = number * each;
    return heap_limit !== null && needed + latest.live > heap_limit
      ? `${several(number, 'viewer')} at once would need ${size(needed)} with ${mode}; its heap limit is ${size(heap_limit)}, so it will refuse ${each + latest.live > heap_limit ? 'all' : 'some'} (503).` : '';
  });
  return [...refused, servers.some(server => isCrowded(server, number)) ? tellRoom(room([0])) : ''];
}

function chosen(servers) {
  const of = choices.find(choice => choice.checked && !choice.disabled)?.value;
  return live(servers).filter(server => of === 'both' || of === undefined || modeOf(server) === of);
}

async function run(servers) {
  if (!form.checkValidity()) return form.reportValidity();
  const watched = chosen(servers);
  if (!watched.length) return say(progress, 'There is no server to ask.');
  running = new AbortController();
  busy(true);
  say(progress, 'Starting…');
  showChart();
  try {
    await watch(watched, running.signal);
  } finally {
    running = null;
    busy(false);
    offer(servers);
  }
}

// The sentence stays at the top of the window; the chart comes into it below.
function showChart() {
  const { top, bottom } = byId('chart').getBoundingClientRect();
  if (bottom > innerHeight || top < byId('lesson').getBoundingClientRect().bottom) scrollBy(0, bottom - innerHeight + 4);
}

// The buttons stay as they are for the keyboard: a disabled one would lose the focus.
function busy(isBusy) {
  [start.ariaDisabled, stop.ariaDisabled, form.ariaBusy] = [isBusy, !isBusy, isBusy].map(String);
  // Only the beginning and the end are read aloud.
  progress.ariaLive = isBusy ? 'off' : 'polite';
}

async function watch(servers, signal) {
  const number = count.valueAsNumber;
  const crowds = await Promise.all(servers.map(async server => ({
    server, ways: await waysTo(server), viewers: Array.from({ length: number }, (_, i) => new Viewer(server, i + 1, rate.value)),
  })));
  const most = Math.min(...crowds.map(({ ways }) => room(ways)));
  if (most < number) warn(byId('room'), tellRoom(most));
  const all = crowds.flatMap(({ viewers }) => viewers);
  seats.replaceChildren(...crowds.map(rowOfSeats));
  const showing = setInterval(() => show(all, crowds), SHOW_EVERY_MS);
  await Promise.all(crowds.map(({ viewers, ways }) => watchAll(viewers, ways, signal)));
  clearInterval(showing);
  show(all, crowds, signal.aborted ? 'Stopped. ' : 'Done. ');
}

// A seat for each viewer, which fills as its bytes come.
function rowOfSeats({ server, viewers }) {
  const row = document.createElement('div');
  row.className = `seats ${server.history.now.look}`;
  row.append(...viewers.map(viewer => {
    viewer.seat = document.createElement('i');
    viewer.seat.append(document.createElement('b'));
    return viewer.seat;
  }));
  return row;
}

const sum = (viewers, figure) => viewers.reduce((total, viewer) => total + viewer[figure], 0);
const partOfAll = viewers => Math.min(1, sum(viewers, 'bytes') / Math.max(1, sum(viewers, 'wantedBytes')));

function show(all, crowds, end = '') {
  bar.value = partOfAll(all);
  for (const viewer of all) {
    viewer.seat.className = viewer.state;
    viewer.seat.firstElementChild.style.height = `${partOfAll([viewer]) * 100}%`;
  }
  const named = crowds.map(({ server: { origin, history }, viewers }) => ({ origin, mode: history.now.mode, viewers }));
  say(progress, end + named.map(crowd => tellCrowd(nameAmong(named, crowd), crowd.viewers)).join(' '));
}

function tellCrowd(name, viewers) {
  const are = state => viewers.filter(viewer => viewer.state === state);
  const failed = are('failed'), stopped = are('stopped');
  const came = partOf(sum(viewers, 'bytes'), sum(viewers, 'wantedBytes'));
  const bad = failed.length ? `, ${failed.length} failed (${failed[0].why})` : '';
  const left = stopped.length ? `, ${stopped.length} stopped` : '';
  return `${name}: ${are('whole').length} of ${several(viewers.length, 'viewer')} got the whole file${bad}${left}; ${came}.`;
}
