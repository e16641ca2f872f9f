// Addresses of servers, and the command that starts one.

const DEFAULT_FILE = 'media/powder-day.mp4', DEFAULT_PORT = 3000, LAST_PORT = 65_535;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

export const isLoopback = host => LOOPBACK.includes(host) || host.endsWith('.localhost');
export const portOf = origin => Number(new URL(origin).port || (origin.startsWith('https:') ? 443 : 80));

// The origin that a text such as `3001`, `localhost:3001` or `http://localhost:3001/heap` names, or why there is none.
// `own` is the origin of the page.
export function parseOrigin(text, own) {
  const isPort = /^\d+$/.test(text), isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const address = isUrl ? text : `http://${isPort ? `${new URL(own).hostname}:` : ''}${text}`;
  let url;
  try { url = new URL(address); } catch { return { why: `“${text}” is not an address` }; }
  if (!['http:', 'https:'].includes(url.protocol)) return { why: `“${text}” is not an http address` };
  if (url.origin === own) return { why: `${url.origin} is this server itself` };
  return { origin: url.origin };
}

// Where a second server is looked for that nobody named: at the next port of the host that the page is from.
export function nextOrigin(own) {
  const port = portOf(own), isLast = port === LAST_PORT;
  return `http://${new URL(own).hostname}:${port === DEFAULT_PORT + 1 ? DEFAULT_PORT : isLast ? port - 1 : port + 1}`;
}

// The mode, with the address where another of them, each {mode, origin}, has the same mode.
export function nameAmong(all, { mode, origin }) {
  return all.some(other => other.mode === mode && other.origin !== origin) ? `${mode} on ${new URL(origin).host}` : mode;
}

// For a POSIX shell.
const quoted = word => (/^[\w./\\:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

// Starts a server in the other mode than that of the sample. It listens where a page from this host can read it.
export function commandFor({ mode, file }, origin) {
  const port = portOf(origin), host = new URL(origin).hostname;
  const at = port === DEFAULT_PORT ? '' : ` --port ${port}`;
  const bind = isLoopback(host) ? '' : ` --bind ${host.startsWith('[') ? '::' : '0.0.0.0'}`;
  return `cargo run --release -- --mode ${mode === 'buffer' ? 'stream' : 'buffer'}${at}${bind}${file === DEFAULT_FILE ? '' : ` ${quoted(file)}`}`;
}
