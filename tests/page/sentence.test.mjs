import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sentence } from '../../src/page/sentence.js';

const MIB = 2 ** 20, EACH = 42_190_000, CHUNK = 67_584;

// A run of `requests` that all ran at once and held `each`.
function run(mode, requests, each, more = {}) {
  const peaks = { request_peak_min: each, request_peak_median: each, request_peak_max: each };
  return {
    mode, name: mode, file: 'a.mp4', file_bytes: 40 * MIB, requests, at_once: requests, in_flight: 0, complete: requests, refused: 0, ...peaks,
    held_min: null, held_max: null, heap_peak: 20_000 + requests * each, first_byte_us_median: mode === 'buffer' ? 316_000 : 70, isRunning: false, to: 100, ...more,
  };
}

const running = (mode, requests, each, more) => run(mode, requests, null, {
  isRunning: true, to: Infinity, in_flight: requests, complete: 0, held_min: each, held_max: each, heap_peak: 20_000 + requests * each, ...more,
});
const buffer = (n = 20, more) => run('buffer', n, EACH, more), stream = (n = 20, more) => run('stream', n, CHUNK, more);
const refused = (n, all, more) => buffer(all, { refused: n, complete: all - n, at_once: all - n, heap_peak: (all - n) * EACH, ...more });

const TOTAL = '20 requests at once: buffer needed 804.7 MiB of heap, stream 1.3 MiB: 615 times as much. Each request held 40.2 MiB and 66.0 KiB.';
const FIRST = ' The server sent the first byte after 316 ms and 0.07 ms (medians).';
const apart = (buffers, streams) =>
  `Each request held 40.2 MiB with buffer (${buffers}) and 66.0 KiB with stream (${streams}): 624 times as much.${FIRST}`;
const AT_ONCE = '20 requests at once', SIX = '20 requests, 6 at once at most';

const TABLE = [
  ['nothing was served', [], ''],
  ['a run of nobody', [buffer(0)], ''],
  ['one mode', [buffer()], '20 requests at once: buffer needed 804.7 MiB of heap, 40.2 MiB each. A thousand at once would hold 39.3 GiB. The server sent the first byte after 316 ms (median).'],
  ['one mode goes on', [running('buffer', 20, EACH)], '20 requests at once: buffer holds up to 804.7 MiB of heap, 40.2 MiB each.'],
  ['and its server is not heard', [running('buffer', 20, EACH, { isLost: true })], '20 requests at once: buffer held up to 804.7 MiB of heap, 40.2 MiB each.'],
  ['equal numbers', [buffer(), stream()], TOTAL + FIRST],
  ['the order does not matter', [stream(), buffer()], TOTAL + FIRST],
  ['equal numbers in view are preferred', [buffer(50), buffer(20), stream()], TOTAL + FIRST],
  ['also to a later request alone', [buffer(), stream(), buffer(1)], TOTAL + FIRST],
  ['both go on', [running('buffer', 20, EACH), running('stream', 20, CHUNK)],
    '20 requests at once: buffer holds up to 804.7 MiB of heap, stream 1.3 MiB: 615 times as much. Each request holds 40.2 MiB and 66.0 KiB.'],
  ['one goes on', [running('buffer', 20, EACH), stream()],
    '20 requests at once: buffer holds up to 804.7 MiB of heap, stream needed 1.3 MiB: 615 times as much. Each request holds 40.2 MiB and 66.0 KiB.'],
  ['the last answers have ended, and no other has begun for less than a second', [running('buffer', 20, EACH, { in_flight: 0, complete: 20 }), stream()], TOTAL],
  ['other numbers', [buffer(3), stream(200)], apart('3 requests at once', '200 requests at once')],
  ['equal numbers that did not run at once', [buffer(20, { at_once: 6 }), stream()], apart(SIX, AT_ONCE)],
  ['equal numbers that are not in view', [buffer(20, { to: 10 }), stream(20, { to: 20 })], apart(AT_ONCE, AT_ONCE)],
  ['some were refused', [refused(14, 20), stream()], `${apart(SIX, AT_ONCE)} buffer refused 14 of 20 requests.`],
  ['all were refused', [refused(20, 20, { request_peak_min: null, request_peak_median: null, request_peak_max: null, first_byte_us_median: null }), stream()],
    'buffer refused all 20 requests for lack of memory. 20 requests at once: stream needed 1.3 MiB of heap, 66.0 KiB each. A thousand at once would hold 64.5 MiB. The server sent the first byte after 0.07 ms (median).'],
  ['the file is empty', [run('buffer', 2, 2048, { file_bytes: 0 })], '2 requests at once: buffer needed 23.5 KiB of heap, 2.0 KiB each. The file is empty.'],
  ['both hold the same', [run('buffer', 20, 2048, { file_bytes: 200, at_once: 3 }), run('stream', 20, 2048, { file_bytes: 200, at_once: 2 })],
    'Each request held 2.0 KiB with buffer (20 requests, 3 at once at most) and 2.0 KiB with stream (20 requests, 2 at once at most): about the same.' + FIRST],
  ['stream holds more', [run('buffer', 1, 50_000), run('stream', 1, 90_000)],
    '1 request: stream needed 107.4 KiB of heap, buffer 68.4 KiB: 1.6 times as much. Each request held 87.9 KiB and 48.8 KiB. The server sent the first byte after 0.07 ms and 316 ms.'],
  ['most of the heap is not the requests\'', [run('buffer', 20, 2300, { heap_peak: 163_000 }), run('stream', 20, 2300, { heap_peak: 191_000 })],
    'Each request held 2.2 KiB with buffer (20 requests at once) and 2.2 KiB with stream (20 requests at once): about the same.' + FIRST],
  ['different files', [buffer(20, { file: 'b.mp4', first_byte_us_median: null }), stream(1, { first_byte_us_median: null })],
    '20 requests at once: buffer needed 804.7 MiB of heap, 40.2 MiB each. A thousand at once would hold 39.3 GiB. 1 request: stream needed 85.5 KiB of heap. A thousand at once would hold 64.5 MiB.'],
  ['one viewer who seeks', [stream(5, { at_once: 1, complete: 2, heap_peak: 85_000, request_peak_min: 2048 })],
    '5 requests, one at a time: stream needed 83.0 KiB of heap, 2.0 KiB to 66.0 KiB (median 66.0 KiB) each. The server sent the first byte after 0.07 ms (median). 3 of 5 requests with stream were cut short.'],
  ['a median is not final while the run goes on', [running('stream', 3, CHUNK, { request_peak_min: 2048, request_peak_median: 2048, request_peak_max: CHUNK })],
    '3 requests at once: stream holds up to 217.5 KiB of heap, 2.0 KiB to 66.0 KiB each.'],
  ['two servers in one mode', [stream(20, { to: 60, name: 'stream on a:1' }), stream(20, { name: 'stream on a:2', first_byte_us_median: null })],
    '20 requests at once: stream on a:2 needed 1.3 MiB of heap, 66.0 KiB each. A thousand at once would hold 64.5 MiB.'],
];

for (const [what, runs, wanted] of TABLE) test(`the sentence: ${what}`, () => assert.equal(sentence(runs, 50), wanted));

test('no ratio is below 1, and no figure is unknown, whatever the runs', () => {
  const figures = [null, 1, 2048, EACH], states = [run, running];
  for (const a of figures) for (const b of figures) for (const one of states) for (const other of states) for (const n of [1, 2]) {
    const said = sentence([one('buffer', 2, a), other('stream', n, b)], 50);
    assert.doesNotMatch(said, /null|NaN|Infinity|undefined|unknown/, said);
    const ratio = said.match(/([\d.,]+) times/);
    assert.ok(!ratio || Number(ratio[1].replaceAll(',', '')) > 1, said);
  }
});
