import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { commandFor, nextOrigin, parseOrigin } from '../../src/page/address.js';
import { message } from '../../src/page/checked.js';
import { clockTime, moment, unixMs } from '../../src/page/clock.js';
import { History } from '../../src/page/history.js';
import { Places, spread } from '../../src/page/labels.js';
import { drawLanes } from '../../src/page/lanes.js';
import { marks, niceAbove, seconds } from '../../src/page/scale.js';
import { brief, ms, partOf, size } from '../../src/page/units.js';

const KIB = 1024, MIB = KIB ** 2, GIB = KIB ** 3;

// Each row: arguments, then what is wanted.
const rows = (what, call, table) => test(what, () => {
  for (const row of table) assert.deepEqual(call(...row.slice(0, -1)), row.at(-1), JSON.stringify(row));
});

rows('sizes have the unit that suits them', size, [
  [null, 'unknown'], [0, '0 bytes'], [1023, '1,023 bytes'], [67_584, '66.0 KiB'], [42_190_000, '40.2 MiB'], [200 * GIB, '200.0 GiB'], [2 ** 53, '8.0 PiB'],
]);
rows('and in tables', brief, [[null, '?'], [200, '200B'], [843_711_817, '804.6M']]);
rows('a part has the unit of the whole', partOf, [[8e6, 42e6, '7.6 of 40.1 MiB'], [0, 0, '0 of 0 bytes']]);
rows('times are those of the trace', ms, [[null, 'unknown'], [43, '0.04'], [994, '0.99'], [995, '1.0'], [9949, '9.9'], [9950, '10'], [1_611_000, '1,611']]);

const NOON_MS = Date.UTC(2026, 10, 26, 12), HOUR_MS = 3_600_000;
// A minute later, with a clock that was set. Set forwards, it looks like that of a machine that has slept.
rows('a recent time is told by the clock of now, a moment by that of then unless it would be in the future', setByMs => {
  let [page, clock] = [1000, NOON_MS];
  mock.method(performance, 'now', () => page);
  mock.method(Date, 'now', () => clock);
  const then = moment();
  [page, clock] = [page + 60_000, clock + 60_000 + setByMs];
  const told = [unixMs(then.at) - NOON_MS, clockTime(then)];
  mock.restoreAll();
  return told;
}, [[0, 0], [-500, 0], [HOUR_MS, 0], [-2 * HOUR_MS, -2 * HOUR_MS]].map(([set, shown]) => [set, [set, new Date(NOON_MS + shown).toLocaleTimeString('en-GB')]]));

rows('an axis ends above all that it shows', bytes => niceAbove(bytes) / MIB, [
  [0, 10], [40.2 * MIB, 50], [805 * MIB, 1000], [960 * MIB, 1024], [10 * GIB, 12 * 1024], [200 * GIB, 250 * 1024], [NaN, 10], [Infinity, 10],
]);
rows('its marks are even', bytes => { const { name, values } = marks(bytes); return [name, ...values]; }, [
  [10 * MIB, ['MiB', 0, 2, 4, 6, 8, 10]], [50 * MIB, ['MiB', 0, 10, 20, 30, 40, 50]], [1000 * MIB, ['MiB', 0, 200, 400, 600, 800, 1000]],
  [1.2 * GIB, ['GiB', 0, 0.3, 0.6, 0.9, 1.2]], [12 * GIB, ['GiB', 0, 3, 6, 9, 12]], [250 * GIB, ['GiB', 0, 50, 100, 150, 200, 250]],
]);
test('any axis has marks from 0 to its end, and data that fills more than half', () => {
  for (let bytes = 11 * MIB; bytes < 2 ** 52; bytes *= 1.037) {
    const most = niceAbove(bytes), { unit, values } = marks(most);
    assert.ok(bytes / most > 0.6 && bytes / most < 1, `${bytes} of ${most}`);
    assert.ok(Math.abs(values.at(-1) * unit / most - 1) < 1e-4 && String(values.at(-1)).length < 5, `${values}`);
  }
});
rows('seconds before now', seconds, [[15_000, false, [0, 3, 6, 9, 12, 15]], [60_000, true, [0, 20, 40, 60]]]);

rows('labels move apart', (...ys) => spread(ys.map(y => ({ y })), 0, 100, 10).map(({ textY }) => textY).sort((a, b) => a - b), [
  [50, [50]], [50, 52, [50, 60]], [99, 98, [85, 95]], [-5, 0, [5, 15]],
]);
test('a box that meets another is not placed', () => {
  const places = new Places(), box = left => ({ left, right: left + 10, top: 0, bottom: 10 });
  assert.deepEqual([0, 9, 10].map(left => places.place(box(left))), [true, false, true]);
});

rows('a request is drawn to its end, to now, or to when its server was last heard', (isLive, to) => {
  const ends = [], pen = { setLineDash() {}, beginPath() {}, stroke() {}, fillRect() {}, arc() {}, fill() {}, lineTo: x => ends.push(x) };
  const histories = [{ isLive, now: { points: [{ at: 60 }] }, requests: [{ from: 20, to, row: 0, stretch: { look: 'stream' } }] }];
  drawLanes({ pen, em: 8, lanes: 40, bottom: 0, left: 0, right: 100, x: at => at, theme: { colours: {} }, view: { from: 0, to: 100, histories } });
  return Math.max(...ends);
}, [[true, null, 109], [true, 40, 40], [false, null, 60], [false, 40, 40]]);

const OWN = 'http://localhost:3000';
rows('an address is a port, a host with a port, or a URL', text => { const { origin, why } = parseOrigin(text, OWN); return origin ?? why; }, [
  ['3105', 'http://localhost:3105'], ['teacher-pc:3001', 'http://teacher-pc:3001'], ['http://[::1]:3001/heap', 'http://[::1]:3001'],
  ['65536', '“65536” is not an address'], ['javascript:alert(1)', '“javascript:alert(1)” is not an address'],
  ['ftp://localhost', '“ftp://localhost” is not an http address'], ['localhost:3000', 'http://localhost:3000 is this server itself'],
]);
rows('the second server is next to the first', nextOrigin, [
  [OWN, 'http://localhost:3001'], ['http://localhost:3001', OWN], ['http://10.0.0.1:3100', 'http://10.0.0.1:3101'],
  ['http://localhost:65535', 'http://localhost:65534'], ['http://teacher-pc', 'http://teacher-pc:81'],
]);
rows('its command has the other mode, and what is not the default', commandFor, [
  [{ mode: 'stream', file: 'media/powder-day.mp4' }, 'http://localhost:3001', 'cargo run --release -- --mode buffer --port 3001'],
  [{ mode: 'buffer', file: "it's.mp4" }, OWN, "cargo run --release -- --mode stream 'it'\\''s.mp4'"],
  [{ mode: 'buffer', file: 'a.mp4' }, 'http://teacher-pc:3001', 'cargo run --release -- --mode stream --port 3001 --bind 0.0.0.0 a.mp4'],
]);

const SAMPLE = {
  event: 'sample', mode: 'stream', at_us: 5_000_000, pid: 7, started_ms: 1, requests: 3, in_flight: 0, live: 1000, live_peak: 9000, file_bytes: 100,
  sent_bytes: 300, file: 'a.mp4', rss: 5000, rss_peak: 6000,
};
const RUN = { number: 1, mode: 'stream', began_us: 4e6, ended_us: 4.5e6, requests: 3, at_once: 1, in_flight: 0, complete: 3, refused: 0, heap_peak: 8000 };
const told = more => message(JSON.stringify({ ...SAMPLE, ...more }));

rows('one value that cannot be used is named, and the others are shown', more => { const { event, live, unusable } = told(more); return [event, live, unusable]; }, [
  [{}, ['sample', 1000, []]], [{ file_bytes: -1 }, ['sample', 1000, ['file_bytes']]], [{ rss: 'x', heap_limit: {} }, ['sample', 1000, ['heap_limit', 'rss']]],
  [{ last_run: { ...RUN, heap_peak: 1e30 } }, ['sample', 1000, ['last_run']]],
]);
rows('figures that make no sense are named', more => told(more).names, [
  [{ live: 2 ** 49 }, ['live']], [{ live: 1e308, live_peak: -1 }, ['live', 'live_peak']], [{ at_us: -5 }, ['at_us']], [{ mode: 'fast' }, ['mode']], [{ live: null, pid: 1.5 }, ['pid', 'live']], [{ in_flight: 2 ** 50 }, ['in_flight']],
]);
rows('and those that are missing', told => message(told).names, [
  ['{"event":"missed","events":"many"}', ['events']], ['{"event":"missed","events":1e309}', ['events']],
  ['{"event":"started","request":7}', ['at_us']], ['{"event":"sample","mode":"buffer","at_us":1,"pid":1,"started_ms":1,"in_flight":0}', ['requests', 'live', 'live_peak']],
]);
rows('what is no message is none', message, [['nonsense', null], ['null', null], ['[]', null], ['{"event":"constructor"}', null], ['{"event":"__proto__"}', null]]);

function heardBy(...samples) {
  const history = new History(OWN, () => 'stream');
  samples.forEach((more, i) => history.news(told({ at_us: 5e6 + i * 100_000, ...more })));
  return history;
}
const going = number => ({ ...RUN, ended_us: null, number }), over = number => ({ ...RUN, number });
rows('a run is known once, as it was told last, and one whose end was not heard is dropped',
  (...samples) => heardBy(...samples).runs.map(({ number, isRunning }) => (isRunning ? -number : number)), [
    [{ run: going(2), last_run: RUN }, { run: going(2), last_run: RUN }, [1, -2]],
    [{ run: going(2), last_run: RUN }, { run: null, last_run: over(2) }, { run: going(3) }, [1, 2, -3]],
    [{ last_run: RUN, run: going(3) }, { last_run: over(4) }, [1, 4]],
    [{ last_run: RUN, run: going(3) }, { started_ms: 2 }, [1]],
  ]);
test('Reset forgets ended runs and counts anew; a run that goes on stays', () => {
  const history = heardBy({ last_run: RUN, run: going(2) });
  history.forgetAll();
  history.news(told({ at_us: 6e6, requests: 4, live: 2000, last_run: RUN, run: going(2) }));
  assert.deepEqual(history.runs.map(({ number }) => number), [2]);
  history.news(told({ at_us: 8e6, requests: 5, last_run: { ...over(3), heap_peak: 8500 } }));
  const { since: { requests, heap, begun } } = history;
  assert.deepEqual([requests, heap, begun], [3, 8500, 2]);
});
test('what was overwritten before the page asked is not told', () => {
  const history = new History(OWN, () => 'stream');
  history.past([message('{"event":"missed","events":153}'), told({})], told({ at_us: 6e6 }));
  assert.deepEqual([history.missed.length, history.now.points.length > 0], [0, true]);
  history.news(message('{"event":"missed","events":2}'));
  assert.equal(history.missed[0].events, 2);
});
