// What one server told, for as long as it can be in view. Times are the page's, in milliseconds.

import { moment } from './clock.js';

// The longest view, and what is kept at most, so that a page that stays open all day does not grow.
const KEPT_MS = 60_000;
const POINTS_MOST = 2000, REQUESTS_MOST = 2000, STRETCHES_MOST = 50, RUNS_MOST = 100;
// The server samples ten times a second while anything moves, and once a second while nothing does.
const MOVING_MS = 100, STILL_MS = 250;
// The clocks are this far apart for this long: one of the machines slept.
const FAR_MS = 2000, FAR_FOR_MS = 1500;

const keyOf = ({ mode, pid, started_ms }) => `${mode} ${pid} ${started_ms}`;

export class History {
  stretches = [];   // runs of the server, oldest first: {key, mode, pid, heapLimit, look, points ...}
  requests = [];    // {stretch, number, from, to (null: runs), row, record}
  missed = [];      // {at, events}: what the server could not tell
  runs = [];        // those that the server told of, oldest first, as in sentence.js
  latest = null;    // its last sample
  skew = null;      // the page's clock minus the server's
  since = null;     // what the server had done, and held at most since, when the page was reset
  isLive = false;

  // `look(mode)` chooses the colour of a new stretch, which it then keeps.
  constructor(origin, look) {
    Object.assign(this, { origin, look });
  }

  get now() {
    return this.stretches.at(-1) ?? null;
  }

  // What the server knows of the last minute. What the page knew before is not added again.
  past(messages, sample) {
    this.begin(sample);
    this.align(sample);
    const known = this.now.points.at(-1)?.at ?? -Infinity;
    // After a long gap nobody can tell what was in it.
    if (performance.now() - known > KEPT_MS) this.now.broken = true;
    for (const message of messages) {
      // What was overwritten before this page asked is not known to have been in view.
      if (message.event === 'missed') continue;
      if (message.event === 'sample' && keyOf(message) !== this.now.key) continue;
      if (message.event === 'sample' && this.timeOf(message) <= known) continue;
      this.place(message);
    }
    this.news(sample);
  }

  news(message) {
    if (message.event === 'sample') {
      if (keyOf(message) !== this.now?.key) this.begin(message);
      this.align(message);
    }
    if (this.now) this.place(message);
    this.trim();
  }

  place(message) {
    const at = message.at_us === undefined ? performance.now() : this.timeOf(message);
    if (message.event === 'sample') this.sample(message, at);
    if (message.event === 'started') this.started(message, at);
    if (message.event === 'request') this.ended(message, at);
    if (message.event === 'missed') this.miss(message, at);
  }

  begin(sample) {
    const key = keyOf(sample);
    if (this.now?.key === key) return;
    this.drop(({ to }) => to === null);
    const { mode, pid, started_ms, heap_limit } = sample;
    this.stretches.push({
      key, mode, pid, startedMs: started_ms, heapLimit: heap_limit, look: this.look(mode), points: [], broken: true, peak: null,
    });
    this.skew = null;
  }

  // The message that was least delayed tells best how far the clocks are apart.
  align(sample) {
    const now = performance.now(), skew = now - this.serverTime(sample);
    const far = this.skew === null || skew > this.skew + FAR_MS;
    this.farSince = far ? this.farSince ?? now : null;
    if (this.skew === null || now - (this.farSince ?? now) > FAR_FOR_MS) this.skew = skew;
    else this.skew = Math.min(skew, this.skew + 0.02);
  }

  serverTime({ at_us }) {
    return this.now.startedMs - performance.timeOrigin + at_us / 1000;
  }

  // Never in the future, whatever the server says.
  timeOf(message) {
    return Math.min(this.serverTime(message) + this.skew, performance.now());
  }

  sample(sample, at) {
    const stretch = this.now, { points } = stretch, last = points.at(-1);
    if (last && at < last.at) return;
    this.latest = sample;
    const starts = stretch.broken;
    stretch.broken = false;
    // What differs from a sample long ago came about in the last tenth of a second.
    if (last && !starts && at - last.at > STILL_MS) points.push({ ...last, at: at - MOVING_MS, starts: false });
    const { live, rss, live_peak, in_flight, requests, sent_bytes } = sample;
    // A peak that rose between two samples is one that neither has seen.
    const peak = stretch.peak !== null && live_peak > stretch.peak ? live_peak : live;
    stretch.peak = live_peak;
    const point = { at, live, rss, peak: Math.max(peak, live), inFlight: in_flight, requests, sent: sent_bytes, livePeak: live_peak, starts };
    points.push(point);
    if (in_flight === 0) this.drop(({ to }) => to === null);
    this.tellRuns(sample);
    this.most(point);
  }

  tellRuns({ last_run, run }) {
    for (const told of [last_run, run]) if (told) this.run(told);
    // How another one went on is not known: it ended unheard, or with its server.
    this.runs = this.runs.filter(({ isRunning, key, number }) => !isRunning || (key === this.now.key && number === run?.number));
  }

  // A run as it is now, in the place of what was known of it.
  run(told) {
    const { key } = this.now;
    if (this.since?.key === key && told.number <= this.since.ended) return;
    const isRunning = told.ended_us === null, time = at_us => this.timeOf({ at_us });
    const run = { ...told, key, file: this.latest.file, isRunning, from: time(told.began_us), to: isRunning ? Infinity : time(told.ended_us) };
    const known = this.runs.findIndex(other => other.key === key && other.number === run.number);
    if (known < 0) this.runs.push(run);
    else this.runs[known] = run;
  }

  // A run that began after the reset had its exact peak after it; of others, the samples tell.
  most({ peak, rss }) {
    const { since } = this;
    if (since?.key !== this.now.key) return;
    const after = this.runs.filter(run => run.key === since.key && run.number > since.begun);
    since.heap = Math.max(since.heap, peak, ...after.map(({ heap_peak }) => heap_peak));
    since.rss = Math.max(since.rss, rss ?? 0, ...after.map(({ rss_peak }) => rss_peak ?? 0));
  }

  started({ request }, at) {
    if (this.find(request)) return;
    this.requests.push({ stretch: this.now, number: request, from: at, to: null, row: this.freeRow(at, Infinity), record: null });
  }

  ended(record, at) {
    let known = this.find(record.request);
    if (known?.record) return;
    if (!known) {
      const from = at - record.duration_us / 1000;
      known = { stretch: this.now, number: record.request, from, row: this.freeRow(from, at) };
      this.requests.push(known);
    }
    Object.assign(known, { to: at, record });
  }

  // Some of those that are believed to run may have ended unseen.
  miss({ events }, at) {
    this.missed.push({ at, events });
    this.drop(({ to }) => to === null);
  }

  find(number) {
    return this.requests.findLast(request => request.number === number && request.stretch === this.now);
  }

  // The lowest row in which nothing was drawn at that time, with room for the marks at both ends.
  freeRow(from, to) {
    const taken = new Set();
    for (const request of this.requests) {
      if (request.from < to + MOVING_MS && (request.to ?? Infinity) > from - MOVING_MS) taken.add(request.row);
    }
    let row = 0;
    while (taken.has(row)) row++;
    return row;
  }

  drop(unwanted) {
    this.requests = this.requests.filter(request => !unwanted(request));
  }

  trim() {
    const oldest = performance.now() - KEPT_MS;
    for (const { points } of this.stretches) {
      // One point before the view stays, for the line that enters it.
      let old = 0;
      while (points[old + 1]?.at < oldest || points.length - old > POINTS_MOST) old++;
      points.splice(0, old);
    }
    const isOver = ({ points }) => !(points.at(-1)?.at >= oldest);
    while (this.stretches.length > 1 && (isOver(this.stretches[0]) || this.stretches.length > STRETCHES_MOST)) this.stretches.shift();
    if (this.requests.length > REQUESTS_MOST) {
      const excess = this.requests.splice(0, this.requests.length - REQUESTS_MOST);
      this.missed.push({ at: excess.at(-1).to ?? performance.now(), events: excess.length });
    }
    this.drop(({ to }) => to !== null && to < oldest);
    this.missed = this.missed.filter(({ at }) => at >= oldest).slice(-REQUESTS_MOST);
    // The last one of each mode stays: what it showed remains true.
    this.runs = this.runs.filter((run, i) => run.to >= oldest || !this.runs.slice(i + 1).some(({ mode }) => mode === run.mode)).slice(-RUNS_MOST);
  }

  // A copy that stays as it is while the page goes on.
  frozen() {
    const stretches = this.stretches.map(stretch => ({ ...stretch, points: [...stretch.points] }));
    const requests = this.requests.map(request => ({ ...request }));
    const { latest, isLive } = this;
    return Object.assign(new History(this.origin, this.look), { stretches, requests, missed: [...this.missed], latest, isLive });
  }

  // What is counted begins anew. A run that goes on is known to its server, and stays.
  forgetAll() {
    for (const stretch of this.stretches.splice(0, this.stretches.length - 1)) stretch.points = [];
    if (this.now) this.now.points.splice(0, this.now.points.length - 1);
    this.drop(({ to }) => to !== null);
    this.missed = [];
    this.runs = this.runs.filter(({ isRunning }) => isRunning);
    if (!this.latest) return;
    const { requests, live, rss, run, last_run } = this.latest, ended = last_run?.number ?? 0;
    this.since = { key: this.now.key, moment: moment(), requests, heap: live, rss: rss ?? 0, ended, begun: run?.number ?? ended };
  }
}
