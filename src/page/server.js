// A server on this page: its connection, its history, and how its curves look.

import { moment } from './clock.js';
import { connect } from './connection.js';
import { History } from './history.js';
import { LOOKS } from './theme.js';

export class Server {
  state = 'connecting';   // then one of connection.js
  names = [];             // of what cannot be used, if it tells what makes no sense
  heardAt = null;         // the moment at which it was last heard

  // `told` is called with each message, and with null when the state changes.
  constructor(origin, others, told) {
    this.origin = origin;
    this.history = new History(origin, mode => lookOf(mode, others()));
    const hear = (sample, take) => { this.heardAt = moment(); take(); told(this, sample); };
    connect(origin, {
      state: (state, names) => { this.become(state, names ?? []); told(this, null); },
      past: (past, sample) => hear(sample, () => this.history.past(past, sample)),
      news: message => hear(message, () => this.history.news(message)),
    });
  }

  become(state, names) {
    // Nobody is there any more, or nobody answers: the page knows what was there.
    this.state = state === 'absent' && this.heardAt ? 'gone' : state;
    this.names = names;
    this.history.isLive = state === 'live';
  }
}

// A mode has its own look; a second server in the same mode has the third.
function lookOf(mode, others) {
  const isTaken = others.some(({ history }) => history.now?.look === mode);
  return LOOKS.includes(mode) && !isTaken ? mode : 'other';
}
