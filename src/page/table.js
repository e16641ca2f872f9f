// The last requests as a table.

import { brief, ms, partOf } from './units.js';

// Two modes have half of them each, so that their figures stand together.
const ROWS_MOST = 12;
const ORDINARY = ['sent', 'client_closed'];
let shown = null;

// The last ones first; `body` is filled again only if they are others than before.
export function showRequests(body, histories) {
  const ended = histories.flatMap(({ requests, latest }) =>
    requests.filter(({ record }) => record).map(request => ({ ...request, fileBytes: latest.file_bytes ?? 0 })));
  const latestFirst = (a, b) => b.to - a.to, looks = [...new Set(ended.map(({ stretch }) => stretch.look))];
  const ofLook = look => ended.filter(({ stretch }) => stretch.look === look).sort(latestFirst).slice(0, ROWS_MOST / looks.length);
  const last = looks.flatMap(ofLook).sort(latestFirst);
  const key = last.map(({ stretch, number }) => `${stretch.key} ${number}`).join();
  if (key === shown) return;
  shown = key;
  if (!last.length) return body.replaceChildren(nothing());
  const most = Math.max(1, ...last.map(({ record, fileBytes }) => Math.max(record.request_peak, fileBytes)));
  body.replaceChildren(...last.map(request => rowOf(request, most)));
}

function nothing() {
  const row = document.createElement('tr');
  return Object.assign(row.insertCell(), { colSpan: 12, className: 'quiet', textContent: 'None in the last minute, or since Reset.' }), row;
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
  cell(partOf(r.sent_bytes, r.body_bytes), 'number sent');
  cell(ms(r.duration_us), 'number extra');
  cell(ms(r.first_byte_us), 'number');
  cell(brief(r.request_peak), 'peak').prepend(bar(r.request_peak / most));
  cell(`${brief(r.live_before)} → ${brief(r.live_after)}`, 'number extra');
  cell(`${brief(r.rss_before)} → ${brief(r.rss_after)}`, 'number extra');
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
