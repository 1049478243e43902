// Talks with the server. Whether there is a network each request finds out by itself.
import { csrf, event, paths } from "./data.js";
import * as store from "./store.js";

// So long somebody at the door waits for the server; less when it was silent a moment ago.
const PATIENCE_MS = 1500;
const LESS_PATIENCE_MS = 500;
// What is sent later may take its time.
const SENDING_MS = 15_000;
const AT_ONCE = 25;
const UNDECIDED_MS = 60_000;

// The pass has ended or was revoked.
export class PassOver extends Error {}
// The server takes none of what it was sent, and says why.
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.problem = problem;
  }
}
// Nobody answers, or nobody who can be relied on: there is no network as far as a door goes.
export class Away extends Error {}

let isAway = false;
// A page that was kept may hold the token of a pass before this one.
let token = csrf;
let skew = 0;

export const isServerAway = () => isAway;
// This device's time, put right by what the server last said of its own. In milliseconds.
export const now = () => Date.now() + skew;
export const clockIsOffBy = () => skew;
export const setSkew = (value) => (skew = value);

// Raises Away, PassOver, Refused.
export async function ask(path, { body, patience = SENDING_MS, isAgain = false } = {}) {
  const began = performance.now();
  const options = { signal: AbortSignal.timeout(patience), headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.headers["X-CSRFToken"] = token;
    options.body = JSON.stringify(body);
  }
  let response, answer;
  try {
    response = await fetch(path, options);
    answer = await response.json();
  } catch {
    isAway = true;
    throw new Away();
  }
  // A wireless network that wants a log-in of its own answers in our place.
  const isOurs = response.headers.has("X-Request-ID");
  if (isOurs && response.status === 401) throw new PassOver();
  if (!isOurs || response.status === 429 || response.status >= 500) {
    isAway = true;
    throw new Away();
  }
  isAway = false;
  noteTime(response, performance.now() - began);
  if (response.ok) return answer;
  if (answer.code !== "bad_request" || body === undefined || isAgain) throw new Refused(answer);
  await renewToken(patience);
  return ask(path, { body, patience, isAgain: true });
}

async function renewToken(patience) {
  try {
    const response = await fetch(paths.page, { signal: AbortSignal.timeout(patience) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    token = JSON.parse(page.getElementById("door-data").textContent).csrf;
  } catch {
    throw new Away();
  }
}

function noteTime(response, took) {
  const told = Date.parse(response.headers.get("Date") ?? "");
  // It is told in whole seconds, and it was told half the way ago.
  if (!Number.isNaN(told) && took < 2000) skew = told + 500 + took / 2 - Date.now();
}

const wire = ({ id, what, code, p, count, at, offline, anyway }) => ({
  id,
  what,
  ...(code ? { code } : { position: p }),
  count,
  at,
  offline: Boolean(offline),
  anyway: Boolean(anyway),
});

// What the server says of entries, as pairs of entry and answer.
async function deliver(entries, patience) {
  const { scans } = await ask(paths.scans, { body: { scans: entries.map(wire) }, patience });
  return entries.map((entry, i) => [entry, scans[i]]);
}

// The same of one entry now, after those of its ticket that wait to be sent. Raises Away, PassOver,
// Refused.
export function sendNow(entry, before = []) {
  const patience = isAway ? LESS_PATIENCE_MS : PATIENCE_MS;
  return deliver([...before, entry], patience);
}

// One tab of this browser sends, the others need not.
function alone(work) {
  if (!navigator.locks) return work();
  return navigator.locks.request("nextup-door", { ifAvailable: true }, (lock) => lock && work());
}

// Sends what is kept, in its order, and hands on the rows that the server judges otherwise. What is
// still being decided, by this tab or another one, is left to whoever decides it.
export function sendKept(event, onSurprises) {
  return alone(async () => {
    let atOnce = AT_ONCE;
    for (;;) {
      const all = await store.queued();
      // A tab that was closed before it could decide.
      const left = all.filter((one) => !one.decided && Date.now() - one.since > UNDECIDED_MS);
      if (left.length) await store.drop(...left.map(({ seq }) => seq));
      const entries = all.filter((one) => one.event === event && one.decided).slice(0, atOnce);
      if (!entries.length) return;
      try {
        await onSurprises(await store.settle(await deliver(entries, SENDING_MS)));
      } catch (problem) {
        // Only what can never be taken is given up.
        if (problem.problem?.code !== "invalid_input") throw problem;
        // One of them cannot be read: the others must not wait behind it.
        if (entries.length > 1) {
          atOnce = 1;
          continue;
        }
        const said = { verdict: "refused", says: problem.message };
        await onSurprises(await store.settle([[entries[0], said]]));
      }
    }
  });
}

// Brings the list up to date.
export async function refresh() {
  for (let tries = 0; tries < 3; tries += 1) {
    const { revision, settled } = await store.facts();
    const answer = await ask(paths.list + (revision === undefined ? "" : `?since=${revision}`));
    const { pass, twice, of, in: inside } = answer;
    const news = { event, pass, revision: answer.revision, twice, of, in: inside, skew };
    news.types = answer.types ?? [];
    if (await store.learn(answer, { ...news, at: now() }, settled)) return;
  }
}
