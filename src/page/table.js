// The last requests as a table.

import { ms, partOf, short } from './units.js';

const ROWS_MOST = 12;
const ORDINARY = ['sent', 'client_closed'];
let shown = null;

// Of all servers, the last first; `body` is filled again only if there is a new one.
export function showRequests(body, histories) {
  const ended = histories.flatMap(({ requests, latest }) =>
    requests.filter(({ record }) => record).map(request => ({ ...request, fileBytes: latest.file_bytes })));
  const last = ended.sort((a, b) => b.to - a.to).slice(0, ROWS_MOST);
  const key = last.map(({ stretch, number }) => `${stretch.key} ${number}`).join();
  if (!last.length || key === shown) return;
  shown = key;
  const most = Math.max(1, ...last.map(({ record, fileBytes }) => Math.max(record.request_peak, fileBytes)));
  body.replaceChildren(...last.map(request => rowOf(request, most)));
}

function rowOf({ record: r, stretch }, most) {
  const row = document.createElement('tr');
  row.className = stretch.look;
  const cell = (text, kind = '') => Object.assign(row.insertCell(), { textContent: text, className: kind });
  cell(r.mode, 'mode').prepend(Object.assign(document.createElement('span'), { className: 'swatch' }));
  cell(r.request, 'number extra');
  cell(r.connection ?? '', 'number extra');
  cell(`${r.method} ${r.target}`, 'extra').title = r.target;
  cell(statusOf(r), r.status >= 400 || !ORDINARY.includes(r.outcome) ? 'bad' : '');
  cell(partOf(r.sent_bytes, r.body_bytes), 'number');
  cell(ms(r.duration_us), 'number extra');
  cell(ms(r.first_byte_us), 'number');
  cell(short(r.request_peak), 'peak').prepend(bar(r.request_peak / most));
  cell(`${short(r.live_before)} → ${short(r.live_after)}`, 'number extra');
  cell(`${short(r.rss_before)} → ${short(r.rss_after)}`, 'number extra');
  cell(r.in_flight, 'number extra');
  return row;
}

function statusOf({ status, outcome, range }) {
  const part = range ? ` bytes ${range.join('-')}` : '';
  return `${status}${part}${outcome === 'sent' ? '' : ` ${outcome.replaceAll('_', ' ')}`}`;
}

function bar(part) {
  const bar = Object.assign(document.createElement('span'), { className: 'bar' }), filled = document.createElement('i');
  filled.style.width = `${part * 100}%`;
  bar.append(filled);
  return bar;
}
