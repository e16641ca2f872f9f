// The events of one server, as long as the page is seen: first its past, then what happens.

import { message } from './checked.js';
import { ask } from './lookout.js';

// More than a server keeps; a program that sends a past without end is cut off.
const PAST_MOST = 5000;
// One that refuses to be read leaves a line in the console each time.
const ASK_EVERY_MS = 1000, ASK_CLOSED_EVERY_MS = 10_000;
// The server sends a sample at least once a second. An open connection alone says nothing: it may lead nowhere.
const SILENT_MS = 4000, WATCH_EVERY_MS = 500;

const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds));

// A hidden page holds no connection, because a browser has only six to a host for all its tabs.
function untilSeen() {
  return new Promise(done => {
    const turn = () => {
      if (document.hidden) return document.addEventListener('visibilitychange', turn, { once: true });
      done();
    };
    turn();
  });
}

// Goes on as long as the page. `told` has three functions: state(word, names), where the word is 'live', 'hidden',
// 'gone', 'silent', or one of lookout.js; past(messages, firstSample); news(message).
export async function connect(origin, told) {
  for (;;) {
    await untilSeen();
    // EventSource would leave an error in the console each time that nobody is there.
    let end = await ask(origin);
    if (end.state === 'there') end = await listen(origin, told);
    told.state(end.state, end.names);
    if (end.state !== 'hidden') await pause(end.state === 'closed' ? ASK_CLOSED_EVERY_MS : ASK_EVERY_MS);
  }
}

// Resolves with the reason for the end.
function listen(origin, told) {
  return new Promise(ended => {
    const source = new EventSource(`${origin}/heap/events`), hear = hearer(told);
    let heardAt = performance.now();
    const end = (state, names) => {
      source.close();
      clearInterval(watch);
      document.removeEventListener('visibilitychange', turn);
      ended({ state, names });
    };
    const turn = () => { if (document.hidden) end('hidden'); };
    const watch = setInterval(() => { if (performance.now() - heardAt > SILENT_MS) end('silent'); }, WATCH_EVERY_MS);
    document.addEventListener('visibilitychange', turn);
    source.onerror = () => end('gone');
    source.onmessage = ({ data }) => {
      heardAt = performance.now();
      const heard = message(data);
      if (heard?.event !== 'senseless') hear(heard);
      else if (heard.of === 'sample') end('senseless', heard.names);
    };
    turn();
  });
}

// The past is held back until the first sample of the present, which tells how far the clocks are apart.
function hearer(told) {
  let past = [], isPast = true;
  return heard => {
    if (!heard) return;
    if (past === null) {
      told.news(heard);
    } else if (heard.event === 'now') {
      isPast = false;
    } else if (!isPast && heard.event === 'sample') {
      told.past(past, heard);
      past = null;
      told.state('live');
    } else if (past.length < PAST_MOST) {
      past.push(heard);
    }
  };
}
