// What a server tells, checked before anything else uses it. A `?with=` server may be any program.

// A count or a size: finite, not negative, and exact.
function count(value) {
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function text(value, most = 300) {
  return typeof value === 'string' ? value.slice(0, most) : '';
}

function word(value) {
  return typeof value === 'string' && /^[a-z_]{1,20}$/.test(value) ? value : 'unknown';
}

function counts(message, names) {
  return Object.fromEntries(names.map(name => [name, count(message[name])]));
}

const SAMPLE_NEEDS = ['at_us', 'pid', 'started_ms', 'live', 'live_peak', 'in_flight', 'requests', 'sent_bytes', 'file_bytes'];
const SAMPLE_MAY_HAVE = ['chunk_bytes', 'largest_request_peak', 'rss', 'rss_peak', 'heap_limit'];
const REQUEST_NEEDS = ['at_us', 'request', 'duration_us', 'status', 'sent_bytes', 'body_bytes', 'in_flight', 'live_before', 'live_after', 'request_peak'];
const REQUEST_MAY_HAVE = ['connection', 'first_byte_us', 'rss_before', 'rss_after'];
const CHECKS = { sample, started, request, missed, now: () => ({ event: 'now' }) };

// The message in a line of JSON; null if it is none.
export function message(json) {
  let read;
  try { read = JSON.parse(json); } catch { return null; }
  if (typeof read !== 'object' || read === null || !Object.hasOwn(CHECKS, read.event)) return null;
  const checked = CHECKS[read.event](read);
  return Object.values(checked).includes(undefined) ? null : checked;
}

// `undefined` stands for what is needed and is not there.
function needs(message, names) {
  return Object.fromEntries(names.map(name => [name, count(message[name]) ?? undefined]));
}

function sample(m) {
  return {
    event: 'sample', ...needs(m, SAMPLE_NEEDS), ...counts(m, SAMPLE_MAY_HAVE),
    mode: word(m.mode), file: text(m.file), rss_meaning: text(m.rss_meaning),
  };
}

function started(m) {
  return { event: 'started', ...needs(m, ['request', 'at_us']) };
}

function request(m) {
  const range = Array.isArray(m.range) && m.range.length === 2 ? m.range.map(count) : null;
  return {
    event: 'request', ...needs(m, REQUEST_NEEDS), ...counts(m, REQUEST_MAY_HAVE), mode: word(m.mode),
    outcome: word(m.outcome), method: text(m.method, 20), target: text(m.target), range,
  };
}

function missed(m) {
  return { event: 'missed', ...needs(m, ['events']) };
}
