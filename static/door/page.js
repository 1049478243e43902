// The door's page: brings scans, list and what people see together.
import { canSell, event, paths, types } from "./data.js";
import { itemsOf, matches, normalized, ofTicket, pendingOf } from "./decide.js";
import * as scans from "./scans.js";
import * as store from "./store.js";
import * as sync from "./sync.js";
import * as view from "./view.js";

const REFRESH_MS = 8000;
const SKEW_TOLD_MS = 2 * 60_000;
const MOST_FOUND = 20;

const channel = new BroadcastChannel("nextup-door");
// False where the browser keeps nothing: then only the server decides.
let keeps = true;
let isOver = false;
// Whether this page opens without a network, too.
let isReady = false;
// Of the list: revision, of when it is, its figures.
let known = {};
let rowsOfThisPage = [];
// One scan is decided after the other: each counts what the one before let in.
let turn = Promise.resolve();

// Those of the list, which is newer than the page.
const typesNow = () => known.types ?? types;

function inTurn(work) {
  turn = turn.then(() => (isOver ? undefined : work())).catch(fail);
  return turn;
}

function fail(problem) {
  if (problem instanceof sync.PassOver) return end();
  if (problem instanceof sync.Away) return view.show({ verdict: "nothing_known", light: "red" });
  const says = problem instanceof sync.Refused ? problem.message : "";
  if (!says) console.error(problem);
  return view.show({ verdict: says ? "refused" : "broken", light: "red", says });
}

async function scan(ticket, { what = "in", count = 1 } = {}) {
  view.think();
  const take = keeps ? scans.scan : scans.scanKeepingNothing;
  const { entry, said, row, surprises } = await take(ticket, { event, what, count });
  if (!keeps) rowsOfThisPage = [...rowsOfThisPage, row];
  const items = said.items ?? itemsOf(said.wants, typesNow());
  view.show({ ...said, what, items, listAt: known.at }, choicesAfter(entry, said));
  await changed();
  surprises.forEach(view.warn);
}

// What can be pressed beside a verdict: more of a party, or "let in anyway".
function choicesAfter(entry, said) {
  if (entry.what === "out") return {};
  if (said.light === "amber") return { anyway: () => inTurn(() => letInAnyway(entry)) };
  const left = said.of - said.admitted;
  const isAsked = ["admitted", "too_many"].includes(said.verdict) && left > 0;
  const ticket = entry.p ? { p: entry.p } : { code: entry.code };
  return isAsked ? { left, admit: (count) => inTurn(() => scan(ticket, { count })) } : {};
}

async function letInAnyway(entry) {
  await scans.letInAnyway(entry);
  view.show({ verdict: "anyway", light: "amber" });
  await changed();
}

const undo = (row) => inTurn(async () => {
  const ticket = await scans.ticketOf(row, keeps);
  if (!ticket) return view.show({ verdict: "cannot_undo", light: "red" });
  row.undone = true;
  if (keeps) await store.mark(row.id, { undone: true });
  return scan(ticket, { what: "out", count: row.count });
});

// The list, the figures, what waits to be sent

async function changed() {
  await redraw();
  channel.postMessage("changed");
}

async function redraw() {
  const state = { keeps, isReady, isAway: sync.isServerAway(), waiting: 0, others: 0 };
  if (keeps) {
    known = await store.facts();
    const [mine, others] = await store.waiting(event);
    const skew = sync.clockIsOffBy();
    Object.assign(state, known, { waiting: mine.length, others: others.length });
    Object.assign(state, { in: known.in + pendingOf(mine) });
    Object.assign(state, { skew: Math.abs(skew) > SKEW_TOLD_MS ? skew : 0 });
  }
  view.state(state);
  if (canSell) view.offerTypes(typesNow());
  view.rows(keeps ? await store.rows() : rowsOfThisPage, undo);
}

const send = () =>
  sync.sendKept(event, (surprises) => {
    surprises.forEach(view.warn);
    channel.postMessage("changed");
  });

async function refresh() {
  if (isOver) return;
  try {
    if (!keeps) view.state({ keeps, ...(await sync.ask(paths.figures)) });
    else if (hasEnded()) await end();
    else {
      await send();
      await sync.refresh();
    }
  } catch (problem) {
    if (problem instanceof sync.PassOver) await end();
    else if (!(problem instanceof sync.Away)) console.error(problem);
  }
  if (!isOver) await redraw();
}

function keepRefreshing() {
  let timer;
  const next = async () => {
    clearTimeout(timer);
    if (!document.hidden) await refresh();
    clearTimeout(timer);
    timer = setTimeout(next, REFRESH_MS * (0.75 + Math.random() / 2));
  };
  addEventListener("online", next);
  document.addEventListener("visibilitychange", () => document.hidden || next());
  return next();
}

// By the server's clock, as far as this device knows it.
const hasEnded = () => known.pass && sync.now() > Date.parse(known.pass.endsAt);

// The pass is over: the list leaves the device; what is not sent waits for another pass.
async function end() {
  await leave();
  view.over(keeps ? (await store.waiting(event))[0].length : 0);
  channel.postMessage("over");
}

async function leave() {
  isOver = true;
  if (keeps) await store.wipe();
  const caches = globalThis.caches;
  for (const name of (await caches?.keys()) ?? []) {
    if (name.startsWith("nextup-door-")) await caches.delete(name);
  }
  await (await navigator.serviceWorker?.getRegistration(paths.page))?.unregister();
}

// Search, walk-ins

async function search(words) {
  if (!words.trim()) return view.found(null);
  let guests;
  if (keeps && known.revision !== undefined) {
    const [waiting] = await store.waiting(event);
    guests = (await store.guests()).filter(({ n }) => matches(n ?? "", words)).slice(0, MOST_FOUND);
    for (const guest of guests) guest.a += pendingOf(ofTicket(waiting, guest));
  } else {
    ({ guests } = await sync.ask(`${paths.search}?q=${encodeURIComponent(words)}`));
  }
  for (const guest of guests) guest.items = itemsOf(guest.w, typesNow());
  return view.found(guests, (p) => inTurn(() => scan({ p })));
}

let sale = null;

async function sell(form) {
  const tickets = Number(form.get("tickets"));
  const name = form.get("name").trim();
  const type = form.has("type") ? Number(form.get("type")) : undefined;
  // The same again, after an answer that was lost, is the same sale to the server too.
  if (sale?.tickets !== tickets || sale?.name !== name || sale?.type !== type) {
    sale = { id: scans.newId(), tickets, name, type };
  }
  let answer;
  try {
    answer = await sync.ask(paths.walkIns, { body: sale });
  } catch (problem) {
    if (problem instanceof sync.Away) {
      return view.show({ verdict: "not_sold", light: "red" });
    }
    sale = null;
    throw problem;
  }
  sale = null;
  const { items } = answer;
  view.show({ verdict: "sold", light: "green", name, admitted: tickets, of: tickets, items });
  view.clearSale();
  return refresh();
}

async function beReady() {
  const worker = navigator.serviceWorker;
  await worker?.register(paths.worker, { scope: paths.page, updateViaCache: "none" });
  isReady = Boolean(await worker?.ready);
  await redraw();
}

async function begin() {
  try {
    await store.open();
    known = await store.facts();
    if (known.event && known.event !== event) await store.wipe();
    sync.setSkew(known.skew ?? 0);
    navigator.storage?.persist?.();
  } catch {
    keeps = false;
  }
  channel.onmessage = ({ data }) => (data === "over" ? refresh() : redraw());
  view.begin({
    onCode: (text) => normalized(text) && inTurn(() => scan({ code: normalized(text) })),
    onLeave: leave,
    onSearch: (words) => search(words).catch(fail),
    onSale: canSell && ((form) => inTurn(() => sell(form))),
  });
  await redraw();
  document.documentElement.classList.add("ready");
  beReady().catch(console.error);
  await keepRefreshing();
}

begin().catch(fail);
