// The live page: puts the parts together. Each module has one job; this one has the order of events.

import { Card, differentFiles } from './cards.js';
import { readAt } from './cursor.js';
import { savePicture, saveRequests, saveSamples } from './export.js';
import { say, warn } from './fill.js';
import { offer, startForm } from './form.js';
import { showLegend } from './legend.js';
import { isUnderLoad, lesson } from './lesson.js';
import { MissingSecond, isHere, likelyOrigin } from './second.js';
import { Server, parseOrigin } from './server.js';
import { showRequests } from './table.js';
import { several } from './units.js';
import { View } from './view.js';

const SHOW_EVERY_MS = 250;
const PLAYABLE = /\.(mp4|m4v|mov|webm|mkv|og[gva]|mp3|m4a|wav|flac|opus)$/i;
const byId = id => document.getElementById(id);

const servers = [], cards = [];
const histories = () => servers.map(({ history }) => history);
const view = new View(byId('chart'), histories);
const readout = readAt(view, byId('plot'), byId('readout'));
let isMoved = true;   // since the figures were last shown

function add(origin) {
  const server = new Server(origin, () => servers.filter(other => other !== server), heard);
  server.history.origin = origin;
  servers.push(server);
  cards.push(new Card(server));
}

function heard(server, message) {
  isMoved = true;
  view.stale();
  if (message !== null) return;
  offer(servers);
  if (server === servers[0] && server.state === 'live' && byId('video').error) byId('video').load();
}

// The second server has come up: its address is kept, so that a reload shows it again.
function found(origin) {
  const url = new URL(location);
  url.search = `?with=${origin.replace('http://', '')}`;
  history.replaceState(null, '', url);
  add(origin);
}

// Four times a second is often enough to be read.
function show() {
  readout();
  if (!isMoved && !view.flows) return;
  isMoved = false;
  const { from, to } = view.range;
  cards.forEach(card => card.show(from, to));
  showRequests(byId('rows'), histories());
  showLegend(byId('legend'), view.histories);
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
  byId('video').hidden = !PLAYABLE.test(own.file);
  if (servers.length === 1) missing?.show(own);
  offer(servers);
}

// The sentence changes as the figures do; it is read aloud when the load is over.
function teach(oldest) {
  const sentence = lesson(histories(), oldest);
  if (!sentence) return;
  sayInColours(byId('sentence'), sentence);
  if (!isUnderLoad(histories())) say(byId('announcement'), sentence);
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
  say(byId('sentence'), 'Press Start: twenty viewers then download the file, and this line shows how much memory that takes.');
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
const second = given ? parseOrigin(given) : { origin: likelyOrigin() };
const withProblem = second.why ? `There is no second server to show: ${second.why}. Give the address of one, as in /heap?with=localhost:3001.` : '';
const missing = second.origin && isHere(location.origin) && isHere(second.origin) ? new MissingSecond(second.origin, found) : null;
add(location.origin);
if (given && second.origin && !missing) add(second.origin);
startForm(servers);
startTools();
setInterval(show, SHOW_EVERY_MS);
