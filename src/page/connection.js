// The events of one server, as long as the page is open: first its past, then what happens.

import { message } from './checked.js';
import { pause, whenUp } from './lookout.js';

// More than a server keeps; a program that sends a past without end is cut off.
const PAST_MOST = 5000;
const ASK_EVERY_MS = 1000;

export class Connection {
  // `told` has three functions: state('live' or 'gone'), past(messages, firstSample), news(message).
  constructor(origin, told) {
    this.origin = origin;
    this.told = told;
    this.ended = new AbortController();
    this.listen();
  }

  listen() {
    this.past = [];
    this.isPast = true;
    this.source = new EventSource(`${this.origin}/heap/events`);
    this.source.onmessage = ({ data }) => this.hear(message(data));
    this.source.onerror = () => this.lost();
  }

  // The past is held back until the first sample of the present, which tells how far the clocks are apart.
  hear(heard) {
    if (!heard) return;
    if (this.past === null) {
      this.told.news(heard);
    } else if (heard.event === 'now') {
      this.isPast = false;
    } else if (!this.isPast && heard.event === 'sample') {
      const past = this.past;
      this.past = null;
      this.told.past(past, heard);
      this.told.state('live');
    } else if (this.past.length < PAST_MOST) {
      this.past.push(heard);
    }
  }

  // EventSource would ask again by itself, and leave an error in the console each time.
  async lost() {
    this.source.close();
    this.told.state('gone');
    // A server that is ending may answer for a moment more.
    await pause(ASK_EVERY_MS);
    if (await whenUp(this.origin, ASK_EVERY_MS, this.ended.signal)) this.listen();
  }
}
