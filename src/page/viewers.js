// Viewers: downloads that count what came and throw it away.

import { isLoopback, portOf } from './address.js';
import { ask } from './lookout.js';

// A browser opens six connections to one name of a host and port. Two are left: for these figures and the video.
const EACH_NAME = 4;
// Browsers that resolve the names under .localhost (Chromium, Firefox) can have as many viewers as they like.
const NAMES_MOST = 25;

// The origins under which this browser reaches the server, `EACH_NAME` viewers each.
export async function waysTo(server) {
  const url = new URL(server.origin), at = name => `${url.protocol}//${name}:${portOf(server.origin)}`;
  if (!isLoopback(url.hostname)) return [server.origin];
  const names = Array.from({ length: NAMES_MOST }, (_, i) => at(`v${i}.localhost`));
  if (await leadsTo(names[0], server)) return names;
  const others = ['localhost', '127.0.0.1', '[::1]'].map(at).filter(origin => origin !== server.origin);
  const reached = await Promise.all(others.map(async origin => (await leadsTo(origin, server) ? [origin] : [])));
  return [server.origin, ...reached.flat()];
}

export const room = ways => ways.length * EACH_NAME;
// From another machine there is one name only.
export const isCrowded = ({ origin }, number) => !isLoopback(new URL(origin).hostname) && number > EACH_NAME;
export const tellRoom = most => `A browser opens six connections to a host: ${most} viewers watch at a time, and the others follow.`;

// The same run of the same server, not another one that listens on another address.
async function leadsTo(origin, { history: { latest } }) {
  const { sample: found } = await ask(origin);
  return found !== null && latest !== null && found.pid === latest.pid && found.started_ms === latest.started_ms;
}

export class Viewer {
  state = 'waits';   // then 'runs', then 'whole', 'failed' or 'stopped'
  bytes = 0;
  why = '';

  constructor(server, number, rate) {
    Object.assign(this, { server, number, rate, wantedBytes: server.history.latest.file_bytes });
  }

  get isOver() {
    return ['whole', 'failed', 'stopped'].includes(this.state);
  }

  async watch(origin, signal) {
    this.state = 'runs';
    try {
      await this.download(origin, signal);
      this.state = this.bytes === this.wantedBytes ? 'whole' : 'failed';
      if (this.state === 'failed') this.why = `${this.bytes} of ${this.wantedBytes} bytes came`;
    } catch (error) {
      this.state = signal.aborted ? 'stopped' : 'failed';
      this.why = error.message;
    }
  }

  async download(origin, signal) {
    const query = new URLSearchParams({ viewer: this.number, ...(this.rate && { rate: this.rate }) });
    const answer = await fetch(`${origin}/?${query}`, { cache: 'no-store', signal });
    if (!answer.ok) {
      await answer.body?.cancel();
      throw new Error(`the server answered ${answer.status}`);
    }
    const reader = answer.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) this.bytes += part.value.length;
  }
}

// Lets them all watch, as many at a time as there is room for; ends when the last one is over.
export async function watchAll(viewers, ways, signal) {
  const waiting = [...viewers];
  const seat = async origin => {
    while (waiting.length && !signal.aborted) await waiting.shift().watch(origin, signal);
  };
  const seats = Array.from({ length: Math.min(viewers.length, room(ways)) }, (_, i) => seat(ways[i % ways.length]));
  await Promise.all(seats);
  for (const viewer of waiting) viewer.state = 'stopped';
}
