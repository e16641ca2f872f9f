// A card for each server: what it is, and its figures now, in view and since its start.

import { portOf } from './address.js';
import { clockTime } from './clock.js';
import { byId, fill } from './fill.js';
import { tellForeign } from './second.js';
import { brief, size, whole } from './units.js';

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
    const isHeard = server.state === 'live';
    fill(element, { state: stateOf(server), where: new URL(server.origin).host, 'row-now': isHeard ? 'Now' : 'At last' });
    if (!latest) return;
    const [live, unit] = size(latest.live).split(' ');
    fill(element, {
      mode: latest.mode, where: placeOf(server.origin), process: `, process ${latest.pid}`, file: fileOf(latest),
      live, when: `${unit} heap ${isHeard ? 'now' : 'at last'}`, ...figuresNow(latest), ...figuresInView(server.history, from, to), ...figuresSince(server.history),
    });
  }
}

const placeOf = origin => {
  const { hostname } = new URL(origin);
  return hostname === 'localhost' ? `port ${portOf(origin)}` : `${hostname}, port ${portOf(origin)}`;
};

function stateOf({ state, names, origin, heardAt }) {
  const known = heardAt && `last heard at ${clockTime(heardAt)}`;
  if (state === 'live') return 'live';
  if (state === 'gone') return known ? `gone; ${known}` : `no heapserve at ${origin}`;
  if (state === 'silent') return known ? `silent; ${known}` : `no answer from ${origin}`;
  if (state === 'absent') return `no heapserve at ${origin}`;
  if (['closed', 'senseless'].includes(state)) return tellForeign(origin, state, names);
  return 'connecting…';
}

// The chunk matters where it is what a viewer costs.
function fileOf({ mode, file, file_bytes, chunk_bytes, heap_limit, heap_limit_is_default, unusable }) {
  const chunk = mode === 'stream' && chunk_bytes !== null ? `, in chunks of ${size(chunk_bytes)}` : '';
  const limit = heap_limit === null ? '' : `; heap limit ${size(heap_limit)}${heap_limit_is_default ? ' (default)' : ''}`;
  const lost = unusable.length ? `; cannot be used: ${unusable.join(', ')}` : '';
  return `${file}, ${size(file_bytes)}${chunk}${limit}${lost}`;
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

// Since the server's start or, if this page was reset later, since then.
function figuresSince({ latest, now, since }) {
  const isReset = since?.key === now.key, from = isReset ? since : { heap: latest.live_peak, rss: latest.rss_peak, requests: 0 };
  return {
    'row-since': isReset ? `Since ${clockTime(since.moment)}` : 'Since start', 'heap-since': brief(from.heap),
    'rss-since': brief(from.rss || null), answered: `${whole(latest.requests - from.requests)} answered`,
  };
}

// Servers of different files cannot be compared.
export function differentFiles(servers) {
  const [one, other] = servers.map(({ history }) => history.latest);
  if (!one || !other) return '';
  if (one.file_bytes === other.file_bytes && nameOf(one.file) === nameOf(other.file)) return '';
  return `The two servers serve different files, so their figures cannot be compared: ${one.file} (${size(one.file_bytes)}) and ${other.file} (${size(other.file_bytes)}).`;
}

export const nameOf = path => path?.split(/[\\/]/).at(-1);
