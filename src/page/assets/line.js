// What the page knows of the line: the state, the latest parts, pictures and messages, kept up to date by server-sent
// events. All of it is bounded, so the page can stay open for months.

import { get, renewSession, session } from "./api.js";

export const MOST_PARTS = 60;
const MOST_MESSAGES = 100;
/** With no event for so long, what the page shows is old. The station sends one each second. */
const FROZEN_MS = 4000;
const LONGEST_WAIT_MS = 5000;

export const line = { state: null, parts: [], messages: [], picture: null, frozenSince: null };

const watchers = new Set();
let source = null;
let lastEvent = null;
let wait = 500;
let retry = 0;
// Parts and messages that come while the state is on its way.
let early = null;

/** Calls back as `callback(what, item)`; `what` is "fresh", "state", "part", "picture", "message" or "frozen". */
export function onLine(callback) {
  watchers.add(callback);
}

function report(what, item) {
  for (const watcher of watchers) watcher(what, item);
}

export const partName = (part) => `${part.run}-${part.part}`;

function add(list, item, most, same) {
  if (same && list.some((other) => same(other, item))) return;
  list.push(item);
  if (list.length > most) list.splice(0, list.length - most);
}

const samePart = (one, other) => one.run === other.run && one.part === other.part;
const sameMessage = (one, other) => one.at_ms === other.at_ms && one.sentence === other.sentence;

function take(what, item) {
  lastEvent = Date.now();
  if (line.frozenSince !== null) {
    line.frozenSince = null;
    report("frozen", null);
  }
  if (early && (what === "part" || what === "message")) {
    add(early, [what, item], 2 * MOST_PARTS);
    return;
  }
  if (what === "state") line.state = { ...line.state, ...item };
  if (what === "part") add(line.parts, item, MOST_PARTS, samePart);
  if (what === "message") add(line.messages, item, MOST_MESSAGES, sameMessage);
  if (what === "picture") line.picture = { ...item, at: Date.now() };
  report(what, item);
}

async function refresh() {
  const { latest, recent, messages, ...state } = await get("/api/state");
  line.state = state;
  line.parts = recent.slice(-MOST_PARTS);
  line.messages = messages.slice(-MOST_MESSAGES);
  if (latest && line.parts.length === 0) line.parts.push(latest);
  const missed = early ?? [];
  early = null;
  report("fresh", line);
  for (const [what, item] of missed) take(what, item);
}

function disconnect() {
  source?.close();
  source = null;
  clearTimeout(retry);
}

function reconnect() {
  disconnect();
  retry = setTimeout(async () => {
    // A session may have ended meanwhile; without one, the login dialog comes and connects again.
    await renewSession().catch(() => {});
    if (session.reads) connect();
    else if (session.login === false) reconnect();
  }, wait);
  wait = Math.min(wait * 2, LONGEST_WAIT_MS);
}

/** Listens to the station. A lost connection is tried again for ever, and then all state is fetched anew. */
export function connect() {
  disconnect();
  const mine = new EventSource("/api/events");
  source = mine;
  early = [];
  mine.onopen = () => {
    refresh().then(
      () => (wait = 500),
      () => mine === source && reconnect(),
    );
  };
  mine.onerror = () => mine === source && reconnect();
  for (const what of ["state", "part", "message", "picture"]) {
    mine.addEventListener(what, (event) => take(what, JSON.parse(event.data)));
  }
}

/** Ends the connection, as a log-out does. */
export function leave() {
  disconnect();
  lastEvent = null;
  if (line.frozenSince !== null) {
    line.frozenSince = null;
    report("frozen", null);
  }
}

setInterval(() => {
  if (lastEvent === null || line.frozenSince !== null || Date.now() - lastEvent < FROZEN_MS) return;
  line.frozenSince = lastEvent;
  report("frozen", lastEvent);
  // A connection can hang without an error, as when a cable is pulled.
  reconnect();
}, 500);

addEventListener("pagehide", disconnect);
addEventListener("pageshow", (event) => event.persisted && session.reads && connect());
