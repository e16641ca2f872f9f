// What a server tells, checked before anything else uses it. A `?with=` server may be any program.

const upTo = most => value => (Number.isInteger(value) && value >= 0 && value <= most ? value : undefined);
// Sizes of files are exact up to 2^53 bytes, and rounded above. No machine has 2^48 bytes of memory.
const count = upTo(Number.MAX_SAFE_INTEGER), size = upTo(2 ** 64), memory = upTo(2 ** 48);
const few = upTo(1_000_000);
const mode = value => (['buffer', 'stream'].includes(value) ? value : undefined);
const word = value => (typeof value === 'string' && /^[a-z_]{1,20}$/.test(value) ? value : undefined);
const text = value => (typeof value === 'string' ? value.slice(0, 300) : undefined);
const truth = value => (typeof value === 'boolean' ? value : undefined);
const range = value => (Array.isArray(value) && value.length === 2 && value.every(end => size(end) !== undefined) ? value : undefined);

const all = (names, check) => Object.fromEntries(names.split(' ').map(name => [name, check]));

// What a message cannot do without, and what may be null.
const RUN = {
  needs: { mode, ...all('number began_us', count), ...all('requests at_once in_flight complete refused', count), heap_peak: memory },
  mayHave: {
    ...all('ended_us first_byte_us_median', count), file_bytes: size,
    ...all('request_peak_min request_peak_median request_peak_max held_min held_max rss_peak', memory),
  },
};
const run = value => {
  const { checked, lacks } = read(Object(value), RUN);
  return lacks.length ? undefined : checked;
};
const EVENTS = {
  sample: {
    needs: { mode, ...all('at_us pid started_ms requests', count), in_flight: few, ...all('live live_peak', memory) },
    mayHave: {
      ...all('file_bytes chunk_bytes heap_limit sent_bytes', size), ...all('rss rss_peak', memory), heap_limit_is_default: truth,
      ...all('file rss_meaning', text), ...all('run last_run', run),
    },
  },
  started: { needs: all('request at_us', count), mayHave: {} },
  request: {
    needs: {
      mode, outcome: word, method: text, target: text, ...all('at_us request duration_us status', count), in_flight: few,
      ...all('sent_bytes body_bytes', size), ...all('live_before live_after request_peak', memory),
    },
    mayHave: { ...all('connection first_byte_us', count), ...all('rss_before rss_after', memory), range },
  },
  missed: { needs: { events: count }, mayHave: {} },
  now: { needs: {}, mayHave: {} },
};

// The message in a line of JSON; null if it is none. A message has `unusable`, the names of what was there and
// unusable, and is null in its place. One that lacks what it needs becomes {event: 'senseless', of, names}.
export function message(json) {
  let told;
  try { told = JSON.parse(json); } catch { return null; }
  if (typeof told !== 'object' || told === null || !Object.hasOwn(EVENTS, told.event)) return null;
  const { checked, lacks, unusable } = read(told, EVENTS[told.event]);
  if (lacks.length) return { event: 'senseless', of: told.event, names: lacks };
  return { event: told.event, ...checked, unusable };
}

function read(told, { needs, mayHave }) {
  const checked = {}, lacks = [], unusable = [];
  for (const [name, check] of Object.entries(needs)) {
    checked[name] = check(told[name]);
    if (checked[name] === undefined) lacks.push(name);
  }
  for (const [name, check] of Object.entries(mayHave)) {
    const value = told[name] ?? null;
    checked[name] = value === null ? null : check(value) ?? null;
    if (value !== null && checked[name] === null) unusable.push(name);
  }
  return { checked, lacks, unusable };
}
