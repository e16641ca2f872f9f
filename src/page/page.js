// The live page: puts the parts together. Each module has one job; this one has the order of events.

import { nameAmong, nextOrigin, parseOrigin } from './address.js';
import { Card, differentFiles, nameOf } from './cards.js';
import { readAt } from './cursor.js';
import { savePicture, saveRequests, saveSamples } from './export.js';
import { byId, say, warn } from './fill.js';
import { offer, startForm } from './form.js';
import { showLegend } from './legend.js';
import { MissingSecond } from './second.js';
import { sentence } from './sentence.js';
import { Server } from './server.js';
import { showRequests } from './table.js';
import { several } from './units.js';
import { View } from './view.js';

const SHOW_EVERY_MS = 250;
const PLAYABLE = /\.(mp4|m4v|mov|webm|mkv|og[gva]|mp3|m4a|wav|flac|opus)$/i;
const INVITATION = byId('sentence').textContent;

const servers = [], cards = [];
const histories = () => servers.map(({ history }) => history);
const view = new View(byId('chart'), histories);
const readout = readAt(view, byId('plot'), byId('readout'));
let isMoved = true;   // since the figures were last shown

const serverAt = origin => new Server(origin, () => servers.filter(other => other.origin !== origin), heard);

function add(server) {
  servers.push(server);
  cards.push(new Card(server));
}

function heard(server, message) {
  isMoved = true;
  view.stale();
  if (message !== null) return;
  if (server === awaited && server.state === 'live') found();
  offer(servers);
  if (server === servers[0] && server.state === 'live' && byId('video').error) byId('video').load();
}

// The second server has come up: its address is kept, so that a reload shows it again.
function found() {
  const url = new URL(location);
  url.search = `?with=${awaited.origin.replace('http://', '')}`;
  history.replaceState(null, '', url);
  missing.remove();
  add(awaited);
  awaited = null;
}

// Four times a second is often enough to be read.
function show() {
  readout();
  if (!isMoved && !view.flows) return;
  isMoved = false;
  const { from, to } = view.range;
  cards.forEach(card => card.show(from, to));
  showRequests(byId('rows'), histories());
  showLegend(byId('legend'), view);
  warn(byId('notice'), withProblem || differentFiles(servers));
  showOwn();
  teach(from);
  tellUnseen(from, to);
}

function showOwn() {
  const own = servers[0].history.latest;
  if (!own) return;
  document.title = `${servers.map(({ history: { latest } }) => latest?.mode ?? '?').join(' and ')} – heapserve`;
  say(byId('rss-meaning'), own.rss_meaning);
  say(byId('of-whom'), `from this server, in ${own.mode} mode`);
  byId('video').hidden = !PLAYABLE.test(own.file ?? '');
  if (awaited) missing.show(own, awaited);
  offer(servers);
}

// The sentence changes as the figures do; it is read aloud when the load is over.
function teach(oldest) {
  const runs = histories().flatMap(({ runs: known, isLive, origin }) => known.map(run => ({ ...run, origin, isLost: !isLive })));
  const named = runs.map(run => ({ ...run, file: nameOf(run.file), name: nameAmong(runs, run) }));
  const text = sentence(named, oldest) || INVITATION;
  sayInColours(byId('sentence'), text);
  if (text !== INVITATION && !runs.some(run => run.isRunning && !run.isLost)) say(byId('announcement'), text);
}

// The names of the modes in the colours of their curves.
function sayInColours(element, text) {
  if (element.textContent === text) return;
  const nodes = text.split(/\b(buffer|stream)\b/).map((part, i) =>
    (i % 2 ? Object.assign(document.createElement('b'), { className: part, textContent: part }) : part));
  element.replaceChildren(...nodes);
}

function tellUnseen(from, to) {
  const events = view.histories.flatMap(({ missed }) => missed).filter(({ at }) => at >= from && at <= to)
    .reduce((sum, missed) => sum + missed.events, 0);
  say(byId('unseen'), events ? `${several(events, 'event')} in view came too fast to be shown here; the figures in the cards contain them.` : '');
}

function reset() {
  pause(false);
  histories().forEach(history => history.forgetAll());
  view.reset();
  isMoved = true;
}

function pause(isPaused) {
  view.pause(isPaused);
  byId('pause').setAttribute('aria-pressed', String(isPaused));
  isMoved = true;
}

function startTools() {
  byId('pause').addEventListener('click', () => pause(!view.frozen));
  byId('reset').addEventListener('click', reset);
  byId('span').addEventListener('change', ({ target }) => { view.show(Number(target.value) || null); isMoved = true; });
  byId('save-picture').addEventListener('click', () => savePicture(view, byId('sentence').textContent));
  byId('save-samples').addEventListener('click', () => saveSamples(view.histories));
  byId('save-requests').addEventListener('click', () => saveRequests(view.histories));
}

const given = new URLSearchParams(location.search).get('with');
const second = given ? parseOrigin(given, location.origin) : { origin: nextOrigin(location.origin) };
const withProblem = second.why ? `There is no second server to show: ${second.why}. Give the address of one, as in /heap?with=localhost:3001.` : '';
add(serverAt(location.origin));
// Where nobody has named one, or it is likely to come, there is a card with its command until it is up.
let awaited = second.origin ? serverAt(second.origin) : null;
const missing = awaited && new MissingSecond(awaited.origin);
startForm(servers);
startTools();
setInterval(show, SHOW_EVERY_MS);
