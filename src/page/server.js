// A server on this page: its connection, its history, and how its curves look.

import { Connection } from './connection.js';
import { History } from './history.js';
import { LOOKS } from './theme.js';

export class Server {
  state = 'connecting';   // then 'live' or 'gone'
  since = new Date();     // when this state began

  // `told` is called with each message, and with null when the state changes.
  constructor(origin, others, told) {
    this.origin = origin;
    this.history = new History(mode => lookOf(mode, others()));
    this.connection = new Connection(origin, {
      state: state => { this.become(state); told(this, null); },
      past: (past, sample) => { this.history.past(past, sample); told(this, sample); },
      news: message => { this.history.news(message); told(this, message); },
    });
  }

  become(state) {
    if (this.state !== state) this.since = new Date();
    this.state = state;
    this.history.isLive = state === 'live';
  }
}

// A mode has its own look; a second server in the same mode has the third.
function lookOf(mode, others) {
  const isTaken = others.some(({ history }) => history.now?.look === mode);
  return LOOKS.includes(mode) && !isTaken ? mode : 'other';
}

// The origin that a text such as `localhost:3001` or `http://localhost:3001/heap` names, or why there is none.
export function parseOrigin(text) {
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  let url;
  try { url = new URL(address); } catch { return { why: `“${text}” is not an address` }; }
  if (!['http:', 'https:'].includes(url.protocol)) return { why: `“${text}” is not an http address` };
  if (url.origin === location.origin) return { why: `${url.origin} is this server itself` };
  return { origin: url.origin };
}
