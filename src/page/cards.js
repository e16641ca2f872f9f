// A card for each server: what it is, and its figures now, in view and since its start.

import { brief, clockTime, size, whole } from './units.js';
import { fill } from './fill.js';

const byId = id => document.getElementById(id);

export class Card {
  constructor(server) {
    this.server = server;
    this.element = byId('card').content.cloneNode(true).firstElementChild;
    this.element.setAttribute('aria-label', `Server ${server.origin}`);
    byId('cards').append(this.element);
    this.show(0, 0);
  }

  // The view goes from one time to another.
  show(from, to) {
    const { server, element } = this, { latest, now } = server.history;
    element.className = `server card ${now?.look ?? ''}${server.state === 'live' ? '' : ' gone'}`;
    const isGone = server.state === 'gone';
    fill(element, { state: stateOf(server), where: new URL(server.origin).host, 'row-now': isGone ? 'At last' : 'Now' });
    if (!latest) return;
    const [live, unit] = size(latest.live).split(' ');
    fill(element, {
      mode: latest.mode, where: placeOf(server.origin), process: `, process ${latest.pid}`, file: fileOf(latest),
      live, when: `${unit} heap ${isGone ? 'at last' : 'now'}`, ...figuresNow(latest), ...figuresInView(server.history, from, to), ...figuresSinceStart(latest),
    });
  }
}

const placeOf = origin => {
  const { hostname, port } = new URL(origin);
  return hostname === 'localhost' ? `port ${port || 80}` : `${hostname}, port ${port || 80}`;
};

function stateOf({ state, since, origin, history }) {
  if (state === 'live') return 'live';
  if (state === 'connecting') return 'connecting…';
  if (!history.latest) return `no heapserve at ${origin}`;
  return `gone since ${clockTime(since)}`;
}

// The chunk matters where it is what a viewer costs, and the limit where there is one.
function fileOf({ mode, file, file_bytes, chunk_bytes, heap_limit }) {
  const chunk = mode === 'stream' && chunk_bytes !== null ? `, in chunks of ${size(chunk_bytes)}` : '';
  return `${file}, ${size(file_bytes)}${chunk}${heap_limit ? `; heap limit ${size(heap_limit)}` : ''}`;
}

function figuresNow({ live, rss, in_flight }) {
  return { 'heap-now': brief(live), 'rss-now': brief(rss), 'flight-now': `${whole(in_flight)} in flight` };
}

function figuresInView({ now, requests }, from, to) {
  const points = now.points.filter(({ at }, i) => (now.points[i + 1]?.at ?? Infinity) >= from && at <= to);
  const most = figure => points.reduce((best, point) => Math.max(best, point[figure] ?? 0), 0);
  const seen = requests.filter(({ record, stretch }) => record && stretch === now);
  const flight = seen.reduce((best, { record, to: end }) => (end >= from && end <= to ? Math.max(best, record.in_flight) : best), most('inFlight'));
  const rss = points.some(point => point.rss !== null) ? most('rss') : null;
  return { 'heap-view': brief(most('peak')), 'rss-view': brief(rss), 'flight-view': `${whole(flight)} at once` };
}

function figuresSinceStart({ live_peak, rss_peak, requests }) {
  return { 'heap-start': brief(live_peak), 'rss-start': brief(rss_peak), answered: `${whole(requests)} answered` };
}

// Servers of different files cannot be compared.
export function differentFiles(servers) {
  const [one, other] = servers.map(({ history }) => history.latest);
  if (!one || !other) return '';
  if (one.file_bytes === other.file_bytes && nameOf(one.file) === nameOf(other.file)) return '';
  return `The two servers serve different files, so their figures cannot be compared: ${one.file} (${size(one.file_bytes)}) and ${other.file} (${size(other.file_bytes)}).`;
}

const nameOf = path => path.split(/[\\/]/).at(-1);

