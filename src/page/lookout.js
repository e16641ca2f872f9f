// Finds out whether a heapserve answers at an address, without a word in the console.

import { message } from './checked.js';

const worker = new Worker(new URL('lookout-worker.js', import.meta.url));
const waiting = new Map();
let asked = 0;

worker.onmessage = ({ data: { number, text, state } }) => {
  const told = message(text);
  waiting.get(number)({
    sample: told?.event === 'sample' ? told : null, names: told?.names,
    state: state ?? (told?.event === 'sample' ? 'there' : told?.names ? 'senseless' : 'absent'),
  });
  waiting.delete(number);
};

// {state, sample, names}: the state is 'there', with a sample; 'senseless', with the names of what cannot be used; or
// one of the worker's.
export function ask(origin) {
  const number = ++asked;
  return new Promise(done => {
    waiting.set(number, done);
    worker.postMessage({ number, url: `${origin}/heap.json` });
  });
}
