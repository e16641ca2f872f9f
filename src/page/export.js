// The chart as a picture, and the data behind it, to keep.

import { unixMs } from './clock.js';
import { drawLegend } from './legend.js';
import { write } from './pen.js';
import { theme } from './theme.js';

const WIDTH = 1280, HEIGHT = 620, RATIO = 2, MARGIN = 24;

export function savePicture(view, sentence) {
  const canvas = document.createElement('canvas'), pen = canvas.getContext('2d');
  const { colours, family } = theme(), head = 110, foot = 64;
  [canvas.width, canvas.height] = [WIDTH * RATIO, (HEIGHT + head + foot) * RATIO];
  pen.scale(RATIO, RATIO);
  pen.fillStyle = colours.card;
  pen.fillRect(0, 0, WIDTH, HEIGHT + head + foot);
  writeHead(pen, sentence, colours, family);
  pen.save();
  pen.translate(MARGIN, head);
  view.drawOn(pen, WIDTH - 2 * MARGIN, HEIGHT);
  pen.restore();
  pen.font = `14px ${family}`;
  drawLegend(pen, MARGIN, HEIGHT + head + 8, view, WIDTH - 2 * MARGIN);
  canvas.toBlob(blob => save(blob, 'png'), 'image/png');
}

function writeHead(pen, sentence, colours, family) {
  pen.font = `600 18px ${family}`;
  const lines = wrapped(pen, sentence, WIDTH - 2 * MARGIN);
  lines.forEach((line, i) => write({ pen }, line, MARGIN, 28 + 24 * i, 'left', colours.text));
  pen.font = `13px ${family}`;
  const now = new Date().toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'long' });
  write({ pen }, `heapserve, ${now}`, MARGIN, 32 + 24 * lines.length, 'left', colours.quiet);
}

// The text in lines that are no wider than this.
function wrapped(pen, text, width) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (pen.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

const SAMPLE_COLUMNS = ['unix_ms', 'server', 'mode', 'pid', 'started_ms', 'live_bytes', 'live_peak_bytes', 'rss_bytes', 'in_flight', 'requests', 'sent_bytes'];
const REQUEST_COLUMNS = [
  'ended_unix_ms', 'server', 'mode', 'pid', 'request', 'method', 'target', 'status', 'outcome', 'duration_us', 'first_byte_us',
  'sent_bytes', 'body_bytes', 'request_peak_bytes', 'live_before_bytes', 'live_after_bytes', 'rss_before_bytes', 'rss_after_bytes', 'in_flight',
];

export function saveSamples(histories) {
  const rows = histories.flatMap(({ stretches, origin }) => stretches.flatMap(({ points, mode, pid, startedMs }) =>
    points.map(p => [unixMs(p.at), origin, mode, pid, startedMs, p.live, p.livePeak, p.rss, p.inFlight, p.requests, p.sent])));
  save(table(SAMPLE_COLUMNS, rows), 'samples.csv');
}

export function saveRequests(histories) {
  const rows = histories.flatMap(({ requests, origin }) => requests.filter(({ record }) => record).map(({ to, stretch, record: r }) => [
    unixMs(to), origin, stretch.mode, stretch.pid, r.request, r.method, r.target, r.status, r.outcome, r.duration_us, r.first_byte_us,
    r.sent_bytes, r.body_bytes, r.request_peak, r.live_before, r.live_after, r.rss_before, r.rss_after, r.in_flight,
  ]));
  save(table(REQUEST_COLUMNS, rows), 'requests.csv');
}

// RFC 4180. A text that a spreadsheet would take for a formula gets a sign before it.
function table(columns, rows) {
  const cell = value => {
    if (typeof value !== 'string') return value ?? '';
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns, ...rows].map(row => row.map(cell).join(','));
  return new Blob([lines.join('\r\n'), '\r\n'], { type: 'text/csv' });
}

// In local time, as in the picture: `2026-11-26-21-13-05`.
function stamp() {
  const now = new Date(), local = new Date(now - now.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replaceAll(/[T:]/g, '-');
}

function save(blob, end) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `heapserve-${stamp()}${end === 'png' ? '.png' : `-${end}`}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
