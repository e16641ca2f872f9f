// The loads that a server was under: from the first request in flight until there was none for a second.

const OVER_AFTER_MS = 1000;
// Of the peak: who holds as much is in flight then, and not only refused.
const NEAR_PEAK = 0.98;
const FIRST_BYTES_MOST = 1000, LOADS_MOST = 100;

export class Loads {
  all = [];     // {mode, from, to, viewers, base, peak, firstBytes, refused, atPeak}, oldest first
  open = null;  // the one that goes on, the last of `all`

  sample({ at, peak, inFlight, live }, mode, before) {
    if (this.open && inFlight === 0 && at - this.open.to > OVER_AFTER_MS) this.close();
    if (inFlight > 0) this.start(mode, at, before?.live ?? live);
    if (!this.open) return;
    this.open.viewers = Math.max(this.open.viewers, inFlight);
    this.open.peak = Math.max(this.open.peak, peak);
    if (live > this.open.peak * NEAR_PEAK) this.open.atPeak = inFlight;
    if (inFlight > 0) this.open.to = at;
  }

  request(record, at) {
    const { mode, in_flight, live_before, request_peak, first_byte_us, outcome } = record;
    this.start(mode, at, live_before);
    const load = this.open;
    load.to = Math.max(load.to, at);
    load.viewers = Math.max(load.viewers, in_flight);
    // It may have begun and ended between two samples.
    if (load.viewers === 1) load.peak = Math.max(load.peak, live_before + request_peak);
    if (outcome === 'refused') load.refused++;
    else if (first_byte_us !== null && load.firstBytes.length < FIRST_BYTES_MOST) load.firstBytes.push(first_byte_us);
  }

  start(mode, at, base) {
    if (this.open) return;
    this.open = { mode, from: at, to: at, viewers: 0, base, peak: base, firstBytes: [], refused: 0, atPeak: 0 };
    this.all.push(this.open);
  }

  close() {
    this.open = null;
  }

  forget(oldest) {
    while (this.all.length > LOADS_MOST) this.all.shift();
    // The last one of each mode stays: what it showed remains true.
    this.all = this.all.filter((load, i) => load.to >= oldest || !this.all.slice(i + 1).some(later => later.mode === load.mode));
  }
}
