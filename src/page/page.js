'use strict';

// One minute is in view. Everything older is dropped, and every list has an end, so that a page that
// stays open all day is no larger than one that was opened a minute ago.
const VIEW_MS = 60_000, POINTS_MOST = 1500, SPANS_MOST = 1000, ROWS_MOST = 12;
const MIB = 1_048_576;
const DASHES = { buffer: [], stream: [11, 6], other: [3, 5] };
const byId = id => document.getElementById(id);
const pause = ms => new Promise(done => setTimeout(done, ms));

// As the trace writes it: one decimal, two where one would hide the figure.
const mib = bytes => bytes == null ? 'unknown' : (bytes / MIB).toFixed(bytes < MIB / 5 ? 2 : 1);
const ms = us => us == null ? 'unknown' : (us / 1000).toFixed(1);
const say = (element, text) => { if (element.textContent !== String(text)) element.textContent = text; };

// ---- One server: its figures as they come ------------------------------------------------------------

class Server {
  constructor(origin) {
    Object.assign(this, {
      origin,
      look: 'other',       // its colour and dashes: its mode, once it has told
      latest: null,        // its last sample
      points: [],          // {at, live, rss, peak, starts}: the curves, by the server's clock
      running: new Map(),  // number of a request -> {from, row}
      spans: [],           // {from, to, row}: requests that ended
      row: 0,              // where the next one is drawn
      sent: [],            // [at, sent_bytes] of the last second
      offset: null,        // the page's clock minus the server's, in milliseconds
    });
    this.panel = byId('panel').content.cloneNode(true).firstElementChild;
    this.parts = Object.fromEntries([...this.panel.querySelectorAll('[data-is]')].map(e => [e.dataset.is, e]));
    byId('panels').append(this.panel);
    say(this.parts.file, origin);
    this.isNow('connecting…');
    this.listen();
  }

  // The browser asks again by itself when the connection breaks, but gives up on an answer that it cannot
  // use, such as that of some other server; then we ask again, less often.
  listen() {
    const source = new EventSource(this.origin + '/heap/events');
    source.onopen = () => this.isNow('live');
    source.onmessage = ({ data }) => {
      let message;
      try { message = JSON.parse(data); } catch { return; }
      if (Number.isFinite(message?.at_us) || message?.event === 'missed') this.take(message);
    };
    source.onerror = () => {
      this.isNow('lost');
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.listen(), 5000);
    };
  }

  isNow(state) {
    this.state = state;
    if (state !== 'live') { this.broken = true; this.running.clear(); }
    const unknown = this.latest ? '' : ` no figures from ${this.origin}; is heapserve running there?`;
    say(this.parts.state, state === 'lost' ? 'connection lost, trying again…' + unknown : state);
    this.parts.state.classList.toggle('lost', state === 'lost');
  }

  take(message) {
    const at = message.at_us / 1000;
    if (message.event === 'sample') this.sample(message, at);
    if (message.event === 'started') this.running.set(message.request, { from: at, row: this.row++ });
    if (message.event === 'request') this.ended(message, at);
    // Some of those we believe to run may have ended unseen.
    if (message.event === 'missed') this.running.clear();
    this.forget();
  }

  sample(sample, at) {
    const restarted = this.latest?.pid !== sample.pid;
    this.alignClocks(at, restarted);
    if (restarted) { this.sent = []; this.running.clear(); this.broken = true; }
    const before = this.latest, last = this.points.at(-1);
    this.latest = sample;
    if (restarted) dress();
    // While nothing moves there is a sample a second, else ten. So whatever differs from a sample long ago
    // came about in the last tenth of a second, and the curve goes level until then.
    if (!this.broken && at - last.at > 250) this.points.push({ ...last, at: at - 100, starts: false });
    // A peak that rose between two samples is one that neither has seen.
    const peak = !this.broken && sample.live_peak > before.live_peak ? sample.live_peak : sample.live;
    this.points.push({ at, live: sample.live, rss: sample.rss, peak, starts: this.broken });
    this.broken = false;
    this.sent.push([at, sample.sent_bytes]);
    while (this.sent.length > 2 && this.sent[1][0] <= at - 1000) this.sent.shift();
    if (sample.in_flight === 0) this.running.clear();
  }

  ended(record, at) {
    const begun = this.running.get(record.request);
    this.running.delete(record.request);
    this.spans.push({ from: begun?.from ?? at - record.duration_us / 1000, to: at, row: begun?.row ?? this.row++ });
    rows.unshift({ server: this, record });
    rows.length = Math.min(rows.length, ROWS_MOST);
    rowsMoved = true;
  }

  // The least delayed message tells best how far the clocks are apart. It may drift a little; if it is far
  // off, one of the machines slept. After a restart what was drawn keeps its place.
  alignClocks(at, restarted) {
    const offset = performance.now() - at;
    const moved = restarted && this.offset !== null ? this.offset - offset : 0;
    if (moved) {
      for (const point of this.points) point.at += moved;
      for (const span of this.spans) { span.from += moved; span.to += moved; }
    }
    const far = this.offset === null || restarted || offset > this.offset + 2000;
    this.offset = far ? offset : Math.min(offset, this.offset + 0.02);
  }

  forget() {
    const oldest = performance.now() - this.offset - VIEW_MS;
    // One point before the view stays, for the line that enters it.
    while (this.points.length > POINTS_MOST || this.points[1]?.at < oldest) this.points.shift();
    while (this.spans.length > SPANS_MOST || this.spans[0]?.to < oldest) this.spans.shift();
    while (this.running.size > SPANS_MOST) this.running.delete(this.running.keys().next().value);
  }

  show() {
    const s = this.latest;
    if (!s) return;
    const [[from, before], [to, now]] = [this.sent[0], this.sent.at(-1)];
    const rate = to > from ? (now - before) / MIB / (to - from) * 1000 : 0;
    const figures = {
      mode: s.mode, file: s.file, size: `${mib(s.file_bytes)} MiB`, live: mib(s.live), peak: mib(s.live_peak),
      rss: mib(s.rss), flight: s.in_flight, rate: rate.toFixed(1), requests: s.requests,
    };
    for (const [name, figure] of Object.entries(figures)) say(this.parts[name], figure);
  }
}

// A mode has its own look; two servers of one mode are told apart by the third.
function dress() {
  servers.forEach((server, i) => {
    const mode = server.latest?.mode;
    const taken = servers.slice(0, i).some(other => other.look === mode);
    server.look = Object.hasOwn(DASHES, mode) && !taken ? mode : 'other';
    server.panel.className = `panel card ${server.look}`;
  });
  const own = servers[0].latest;
  if (!own) return;
  document.title = servers.map(server => server.latest?.mode ?? '?').join(' and ') + ' – heapserve';
  say(byId('rss-meaning'), own.rss_meaning);
  say(byId('of-whom'), `from this server, in ${own.mode} mode`);
  // What cannot be played is not offered to be; names tell well enough, and an error tells the rest.
  if (!/\.(mp4|m4v|mov|webm|mkv|og[gva]|mp3|m4a|wav|flac|opus)$/i.test(own.file)) byId('video').hidden = true;
  const port = location.port === '3001' ? 3000 : 3001;
  say(byId('command'), `heapserve --mode ${own.mode === 'buffer' ? 'stream' : 'buffer'} --port ${port}`);
  byId('both').href = `/heap?with=http://localhost:${port}`;
  say(byId('both'), byId('both').getAttribute('href'));
}

// ---- The chart ---------------------------------------------------------------------------------------

const canvas = byId('chart'), pen = canvas.getContext('2d');
let axisMib = 10;   // the axis goes from 0 to this

// 1, 2 or 5 and zeros: the least such number from 10 on that leaves a little air above.
function niceAbove(value) {
  for (let power = 10; ; power *= 10) {
    for (const digit of [1, 2, 5]) if (digit * power >= value * 1.06) return digit * power;
  }
}

// The axis grows at once. It shrinks only when all of the minute in view is below half of it.
function fitAxis(mostMib) {
  const nice = niceAbove(mostMib);
  if (nice > axisMib || mostMib < axisMib * 0.4) axisMib = nice;
}

function draw() {
  const ratio = devicePixelRatio, { clientWidth: width, clientHeight: height } = canvas;
  const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
  const style = getComputedStyle(canvas), colour = name => style.getPropertyValue('--' + name);
  const em = parseFloat(style.fontSize) * 0.85;
  const now = performance.now(), wide = width > 40 * em, laneHeight = 2.2 * em;
  const left = 4.2 * em, right = width - (wide ? 7.2 * em : 0.6 * em), top = 2 * em;
  const bottom = height - 1.7 * em - servers.length * (laneHeight + 4);
  const shown = servers.filter(server => server.points.length);
  fitAxis(Math.max(0, ...shown.flatMap(s => s.points.map(p => Math.max(p.peak, p.rss ?? 0)))) / MIB);
  const x = (server, at) => right - (now - at - server.offset) / VIEW_MS * (right - left);
  const y = bytes => bottom - bytes / MIB / axisMib * (bottom - top);

  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = `${em}px ${style.fontFamily}`;
  pen.lineJoin = 'round';

  // The axes, in steps of a fifth or, if it begins with a 2, a quarter.
  pen.fillStyle = colour('quiet');
  pen.strokeStyle = colour('line');
  pen.lineWidth = 1;
  const steps = String(axisMib)[0] === '2' ? 4 : 5;
  for (let i = 0; i <= steps; i++) {
    const value = axisMib / steps * i, at = Math.round(y(value * MIB)) + 0.5;
    line([[left, at], [right, at]]);
    write(value, left - 0.5 * em, at, 'right');
  }
  write('MiB', left - 0.5 * em, top - 1.1 * em, 'right');
  const timesAt = height - 0.7 * em;
  for (let s = 0; s <= 60; s += wide ? 10 : 20) {
    const at = right - s / 60 * (right - left);
    line([[at, bottom], [at, timesAt - 0.8 * em]]);
    write(s ? `−${s} s` : 'now', at, timesAt, !s && !wide ? 'right' : 'center');
  }

  pen.save();
  pen.beginPath();
  pen.rect(left, 0, right - left, height);
  pen.clip();
  shown.forEach(drawCurves);
  const laneTop = i => bottom + 6 + i * (laneHeight + 4);
  servers.forEach((server, i) => drawLane(server, laneTop(i)));
  pen.restore();
  servers.forEach((server, i) => {
    pen.fillStyle = colour(server.look);
    write(server.latest?.mode ?? '', left - 0.5 * em, laneTop(i) + laneHeight / 2, 'right');
  });
  const written = [];
  shown.forEach(markPeak);
  if (wide) nameCurves();

  function line(points, dashes = []) {
    pen.setLineDash(dashes);
    pen.beginPath();
    for (const point of points) pen.lineTo(...point);
    pen.stroke();
  }

  function write(text, atX, atY, align) {
    [pen.textAlign, pen.textBaseline] = [align, 'middle'];
    pen.fillText(text, atX, atY);
  }

  function drawCurves(server) {
    pen.strokeStyle = pen.fillStyle = colour(server.look);
    // Level up to now, unless we should have heard of it by now.
    const last = server.points.at(-1), level = { ...last, at: now - server.offset, starts: false };
    const heard = server.state === 'live' && level.at - last.at < 2500;
    const runs = [];
    for (const p of heard ? [...server.points, level] : server.points) {
      if (p.starts || !runs.length) runs.push([]);
      runs.at(-1).push(p);
    }
    for (const run of runs) {
      const curve = figure => run.filter(p => p[figure] != null).map(p => [x(server, p.at), y(p[figure])]);
      const live = curve('live');
      pen.globalAlpha = 0.1;
      pen.beginPath();
      for (const point of [[live[0][0], bottom], ...live, [live.at(-1)[0], bottom]]) pen.lineTo(...point);
      pen.fill();
      // Where RSS and heap go together, the one is a border to the other.
      pen.globalAlpha = 0.4;
      pen.lineWidth = 7;
      line(curve('rss'), DASHES[server.look].map(length => length * 1.5));
      pen.globalAlpha = 1;
      pen.lineWidth = 2.5;
      line(live, DASHES[server.look]);
    }
  }

  // Each request as a line from its beginning, a full bar, to its end, an open ring.
  function drawLane(server, top) {
    const lines = 8, step = (laneHeight - 6) / (lines - 1);
    pen.lineWidth = 1.5;
    for (const { from, to, row } of [...server.spans, ...server.running.values()]) {
      const at = top + 3 + row % lines * step, begin = x(server, from), end = to ? x(server, to) : right + 9;
      pen.strokeStyle = pen.fillStyle = colour(server.look);
      pen.globalAlpha = 0.5;
      line([[begin, at], [end, at]]);
      pen.globalAlpha = 1;
      pen.fillRect(begin - 1.5, at - 3.5, 3, 7);
      pen.beginPath();
      pen.arc(end, at, 2.5, 0, 7);
      pen.fillStyle = colour('card');
      pen.fill();
      pen.stroke();
    }
  }

  // The highest point in view, unless the curve is as good as flat.
  function markPeak(server) {
    const seen = server.points.filter(p => x(server, p.at) >= left);
    if (!seen.length) return;
    const highest = seen.reduce((best, p) => p.peak > best.peak * 1.01 ? p : best);
    if (highest.peak < 1.2 * Math.min(...seen.map(p => p.live))) return;
    const [atX, atY] = [x(server, highest.at), y(highest.peak)];
    pen.strokeStyle = pen.fillStyle = colour(server.look);
    pen.lineWidth = 1.5;
    line([[atX, y(highest.live)], [atX, atY]]);
    pen.beginPath();
    pen.arc(atX, atY, 4.5, 0, 7);
    pen.fill();
    const text = `peak ${mib(highest.peak)} MiB`, length = pen.measureText(text).width;
    const textX = Math.min(Math.max(atX, left + length / 2 + 4), right - length / 2 - 4);
    let textY = Math.max(atY - 1.1 * em, 0.8 * em);
    if (written.some(at => Math.abs(at.x - textX) < length + 8 && Math.abs(at.y - textY) < 1.3 * em)) textY += 2.6 * em;
    written.push({ x: textX, y: textY });
    pen.lineWidth = 4;
    pen.strokeStyle = colour('card');
    pen.textAlign = 'center';
    pen.strokeText(text, textX, textY);
    write(text, textX, textY, 'center');
  }

  // Names at the ends of the curves, moved apart upwards where these are close.
  function nameCurves() {
    const names = shown.flatMap(({ look, latest: { mode, rss, live } }) => [
      { text: `${mode} heap`, look, at: y(live) }, ...(rss == null ? [] : [{ text: `${mode} RSS`, look, at: y(rss) }]),
    ]).sort((a, b) => b.at - a.at);
    let free = bottom;
    for (const name of names) {
      const at = Math.min(name.at, free);
      pen.fillStyle = colour(name.look);
      write(name.text, right + 0.5 * em, at, 'left');
      free = at - 1.2 * em;
    }
  }
}

// Twenty pictures a second flow well enough; who wants less motion gets two.
const stillness = matchMedia('(prefers-reduced-motion: reduce)');
let drawnAt = -Infinity;
requestAnimationFrame(function frame(now) {
  requestAnimationFrame(frame);
  if (now - drawnAt < (stillness.matches ? 500 : 48)) return;
  drawnAt = now;
  draw();
});

// ---- The last requests -------------------------------------------------------------------------------

const rows = [];
let rowsMoved = false;

function showRows() {
  if (!rowsMoved) return;
  rowsMoved = false;
  const most = Math.max(...rows.map(({ server, record }) => Math.max(record.request_peak, server.latest?.file_bytes ?? 0)));
  byId('requests').replaceChildren(...rows.map(({ server, record: r }) => {
    const row = document.createElement('tr'), swatch = document.createElement('span');
    const bar = document.createElement('span'), fill = document.createElement('i');
    [row.className, swatch.className, bar.className] = [server.look, 'swatch', 'bar'];
    fill.style.width = `${r.request_peak / most * 100}%`;
    bar.append(fill);
    const cell = (text, kind = '') => Object.assign(row.insertCell(), { textContent: text, className: kind });
    cell(r.mode).prepend(swatch);
    for (const number of [r.request, r.connection]) cell(number, 'number');
    cell(`${r.method} ${r.target}`).title = r.target;
    cell(r.status + (r.range ? ` bytes ${r.range.join('-')}` : ''), r.status >= 400 ? 'bad' : '');
    cell(r.outcome.replaceAll('_', ' '), ['sent', 'client_closed'].includes(r.outcome) ? '' : 'bad');
    cell(`${mib(r.sent_bytes)} of ${mib(r.body_bytes)}`, 'number');
    for (const time of [r.duration_us, r.first_byte_us]) cell(ms(time), 'number');
    cell(`${mib(r.live_before)} → ${mib(r.live_after)}`, 'number');
    cell(mib(r.request_peak)).prepend(bar);
    cell(`${mib(r.rss_before)} → ${mib(r.rss_after)}`, 'number');
    cell(r.in_flight, 'number');
    return row;
  }));
}

// ---- A load, for those without a shell ---------------------------------------------------------------

// They run at full speed: a page cannot read slowly. Chromium takes some 60 MB of an answer by itself, before
// the page has read any of it, so that the server would never notice.
const AT_A_TIME = 4;
let stop = null;   // ends the downloads that run

byId('load').addEventListener('submit', async event => {
  event.preventDefault();
  if (stop) return stop.abort();
  stop = new AbortController();
  const { signal } = stop, count = byId('count').valueAsNumber, progress = byId('progress');
  const loads = servers.filter(server => server.latest).map(server => ({ server, left: count, done: 0, failed: 0, why: '' }));
  const tell = (end = '') => {
    byId('bar').value = loads.reduce((sum, load) => sum + load.done + load.failed, 0) / (count * loads.length);
    say(progress, loads.map(({ server, done, failed, why }) =>
      `${server.latest.mode}: ${done} of ${count} done${failed ? `, ${failed} failed (${why})` : ''}`).join('; ') + end);
  };
  const work = async load => {
    while (!signal.aborted && load.left-- > 0) {
      await download(load.server, signal).then(() => load.done++, async error => {
        if (signal.aborted) return;
        load.failed++;
        load.why = error.message;
        await pause(250);   // the server may be full
      });
      tell();
    }
  };
  progress.ariaLive = 'off';   // only the end is read aloud
  say(byId('start'), 'Stop');
  await Promise.all(loads.flatMap(load => Array.from({ length: AT_A_TIME }, () => work(load))));
  progress.ariaLive = 'polite';
  tell(signal.aborted ? '; stopped.' : '.');
  say(byId('start'), 'Start');
  stop = null;
});

async function download(server, signal) {
  const mode = server.unreadable ? 'no-cors' : 'cors';
  let answer;
  try {
    answer = await fetch(server.origin + '/', { cache: 'no-store', mode, signal });
  } catch (error) {
    if (signal.aborted || server === servers[0] || mode === 'no-cors') throw error;
    server.unreadable = true;
    return download(server, signal);
  }
  if (mode === 'no-cors') {
    // Another server may let us cause a download, but not see it. Its figures tell when there is room for more.
    do await pause(150); while (!signal.aborted && server.state === 'live' && server.latest.in_flight >= AT_A_TIME);
    return;
  }
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  for (const reader = answer.body.getReader(); !(await reader.read()).done;);
}

// ---- The file, the second server, and what is read aloud ---------------------------------------------

byId('video').addEventListener('error', () => { byId('video').hidden = true; });

// What `?with=` names: null if nothing; else an origin, or why it is none.
function secondServer() {
  const given = new URLSearchParams(location.search).get('with');
  if (!given) return null;
  let url;
  try { url = new URL(given); } catch { return { why: `“${given}” is no URL` }; }
  if (!['http:', 'https:'].includes(url.protocol)) return { why: `“${given}” is no http URL` };
  if (url.origin === location.origin) return { why: `${url.origin} is this server itself` };
  return { origin: url.origin };
}

// Ten times a second is too often to be read, and far too often to be read aloud.
function summarise() {
  const spoken = ({ mode, live, rss, live_peak, in_flight }) =>
    `${mode}: live heap ${mib(live)}, RSS ${mib(rss)}, peak ${mib(live_peak)} MiB, ${in_flight} in flight.`;
  say(byId('summary'), servers.filter(server => server.latest && server.state === 'live').map(server => spoken(server.latest)).join(' '));
}

const second = secondServer();
if (second?.why) {
  say(byId('notice'), `There is no second server to show: ${second.why}. Give the address of one, as in /heap?with=http://localhost:3001.`);
  byId('notice').hidden = false;
}
say(byId('there'), second?.origin ?? '');
byId('alone').hidden = Boolean(second?.origin);
byId('beside').hidden = !second?.origin;
const servers = [location.origin, second?.origin].filter(Boolean).map(origin => new Server(origin));
dress();
setInterval(() => { servers.forEach(server => server.show()); showRows(); }, 200);
setInterval(summarise, 5000);
