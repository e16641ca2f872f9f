// The place of the second server while there is none: the command that starts it, and the look-out for it.

import { fill } from './fill.js';
import { whenUp } from './lookout.js';

const ASK_EVERY_MS = 2000;
const DEFAULT_FILE = 'media/powder-day.mp4', DEFAULT_PORT = 3000;
const byId = id => document.getElementById(id);

// For a POSIX shell.
const quoted = word => (/^[\w./\\:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function commandFor({ mode, file }, port) {
  const isDefault = file === DEFAULT_FILE;
  const at = port === DEFAULT_PORT ? '' : ` --port ${port}`;
  const other = mode === 'buffer' ? 'stream' : 'buffer';
  return `cargo run --release -- --mode ${other}${at}${isDefault ? '' : ` ${quoted(file)}`}`;
}

// Where a second server is looked for that nobody named.
export function likelyOrigin() {
  const own = Number(location.port || 80);
  return `http://${location.hostname}:${own === DEFAULT_PORT + 1 ? DEFAULT_PORT : own + 1}`;
}

// Shows the card, and takes it away when `found(origin)` has been called.
export class MissingSecond {
  constructor(origin, found) {
    this.origin = origin;
    this.found = found;
    this.stopped = new AbortController();
    this.port = Number(new URL(origin).port || 80);
    this.element = byId('missing').content.cloneNode(true).firstElementChild;
    this.element.querySelector('button').addEventListener('click', () => this.copy());
  }

  // The command names the other mode than that of the server that runs.
  show(sample) {
    fill(this.element, { command: commandFor(sample, this.port) });
    if (this.element.isConnected) return;
    fill(this.element, { state: 'This page adds it as soon as it is up.' });
    byId('cards').append(this.element);
    this.look();
  }

  async look() {
    if (!await whenUp(this.origin, ASK_EVERY_MS, this.stopped.signal)) return;
    this.element.remove();
    this.found(this.origin);
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

// Only there does a command in a terminal of this machine help; and no page from elsewhere may read a second server.
export const isHere = origin => ['localhost', '127.0.0.1', '[::1]'].includes(new URL(origin).hostname);
