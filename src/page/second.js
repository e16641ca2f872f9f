// The place of the second server while there is none, with the command that starts it.

import { commandFor, isLoopback } from './address.js';
import { byId, fill } from './fill.js';

export class MissingSecond {
  constructor(origin) {
    this.origin = origin;
    this.element = byId('missing').content.cloneNode(true).firstElementChild;
    this.element.querySelector('button').addEventListener('click', () => this.copy());
    const { hostname } = new URL(origin);
    if (!isLoopback(hostname)) fill(this.element, { where: `On ${hostname}, start a second server in another terminal, in the same folder:` });
  }

  // The command names the other mode than that of the server that runs. The state is what was found at the address.
  show(sample, { state, names }) {
    const isForeign = ['closed', 'senseless'].includes(state);
    fill(this.element, { command: commandFor(sample, this.origin) });
    if (this.state !== isForeign) fill(this.element, { state: isForeign ? tellForeign(this.origin, state, names) : 'This page adds it as soon as it is up.' });
    this.state = isForeign;
    // Its port is taken, so the command would not help.
    for (const part of this.element.querySelectorAll('[data-is="where"], .command')) part.hidden = isForeign;
    if (!this.element.isConnected) byId('cards').append(this.element);
  }

  remove() {
    this.element.remove();
  }

  async copy() {
    const command = this.element.querySelector('code');
    try {
      await navigator.clipboard.writeText(command.textContent);
      fill(this.element, { state: 'Copied. This page adds the server as soon as it is up.' });
    } catch {
      getSelection().selectAllChildren(command);
      fill(this.element, { state: 'The browser does not let this page copy; the command is selected.' });
    }
  }
}

// Something is there whose figures this page cannot show.
export function tellForeign(origin, state, names = []) {
  if (state === 'senseless') return `The server at ${origin} tells figures that make no sense${names.length ? `: ${names.join(', ')}` : ''}.`;
  return `${origin} answers, but does not let this page read it. A heapserve allows that to pages from its own host name: use one name for both servers.`;
}
