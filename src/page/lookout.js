// Finds out whether a heapserve answers at an address, without a word in the console.

import { message } from './checked.js';

const worker = new Worker(new URL('lookout-worker.js', import.meta.url));
const waiting = new Map();
let asked = 0;

worker.onmessage = ({ data: { number, text } }) => {
  const read = text === null ? null : message(text);
  waiting.get(number)?.(read?.event === 'sample' ? read : null);
  waiting.delete(number);
};

// The sample of the server at this origin; null if there is none.
export function ask(origin) {
  const number = ++asked;
  return new Promise(done => {
    waiting.set(number, done);
    worker.postMessage({ number, url: `${origin}/heap.json` });
  });
}

export const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds));

// Resolves with the first sample once a server is up; null if the signal came first.
export async function whenUp(origin, everyMs, signal) {
  while (!signal.aborted) {
    const found = document.hidden ? null : await ask(origin);
    if (signal.aborted) break;
    if (found) return found;
    await pause(everyMs);
  }
  return null;
}
