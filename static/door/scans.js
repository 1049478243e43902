// One scan from the code to the verdict: kept first, then judged by the server, or by the list.
import { decide, lightOf, ofTicket, pendingOf } from "./decide.js";
import * as store from "./store.js";
import * as sync from "./sync.js";

// Codes of this page's own scans, for undo where no list knows them; never on the disk.
const codes = new Map();

export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  // Only https and this machine itself have that.
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((byte, i) => {
    const told = i === 6 ? (byte & 15) | 64 : i === 8 ? (byte & 63) | 128 : byte;
    return told.toString(16).padStart(2, "0");
  });
  return hex.join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

// The first 12 bytes of SHA-256, as the list has them; nothing where there is no https.
async function hashOf(code) {
  if (!crypto.subtle) return undefined;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(code));
  return [...new Uint8Array(digest, 0, 12)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

async function entryOf(ticket, { event, what, count }) {
  const { code, p } = ticket;
  const entry = { id: newId(), event, what, count, at: new Date(sync.now()).toISOString() };
  if (code) codes.set(entry.id, code);
  return { ...entry, code, p, h: code && (await hashOf(code)), since: Date.now(), decided: false };
}

// `ticket` is {code} or {p: position}. Gives {entry, said, row, surprises}: what to show, what to
// note of it, and earlier scans that the server judged otherwise than this device did.
// Raises PassOver, Refused, or what the disk says.
export async function scan(ticket, { event, what = "in", count = 1 }) {
  const entry = await entryOf(ticket, { event, what, count });
  const { guest, isReplaced } = await store.find(entry);
  // Also a scan of the code is known by its position then.
  if (guest) entry.p = guest.p;
  const before = ofTicket((await store.waiting(event))[0], entry);
  // On the disk before anything is sent or shown.
  entry.seq = await store.keep(entry);
  try {
    const answers = await sync.sendNow(entry, before);
    const surprises = await store.settle(answers);
    const [, answer] = answers.at(-1);
    const said = { ...answer, light: lightOf(answer.verdict) };
    return { entry, said, surprises, row: await noted(entry, said, guest, true) };
  } catch (problem) {
    if (!(problem instanceof sync.Away)) {
      await store.drop(entry.seq);
      throw problem;
    }
  }
  // Without https there is no hash, and so no list of codes.
  const said = entry.p || entry.h
    ? decide({ guest, isReplaced, pending: pendingOf(before), count, what })
    : { light: "amber", verdict: "cannot_check" };
  const counts = ["admitted", "undone"].includes(said.verdict);
  await (counts ? store.decided(entry.seq) : store.drop(entry.seq));
  Object.assign(said, { name: guest?.n, wants: guest?.w, offline: true });
  return { entry, said, surprises: [], row: await noted(entry, said, guest, false) };
}

// The same where the browser keeps nothing: only the server decides. Raises Away too.
export async function scanKeepingNothing(ticket, { event, what = "in", count = 1 }) {
  const entry = await entryOf(ticket, { event, what, count });
  const [[, answer]] = await sync.sendNow(entry);
  const said = { ...answer, light: lightOf(answer.verdict) };
  return { entry, said, surprises: [], row: rowOf(entry, said, null, true) };
}

// Somebody who is not on the list was let in all the same: it is sent as that.
export async function letInAnyway(entry) {
  const { seq: _, ...again } = entry;
  Object.assign(again, { anyway: true, at: new Date(sync.now()).toISOString() });
  await store.decided(await store.keep(again));
  await store.mark(entry.id, { verdict: "anyway", letIn: true, admitted: entry.count });
}

function rowOf(entry, said, guest, sent) {
  const { id, event, what, count, at, h, p } = entry;
  const { verdict, light, admitted, of, firstAt, firstBy } = said;
  const letIn = what === "in" && light === "green" && !sent;
  const name = said.name ?? guest?.n;
  return { id, event, what, count, at, h, p, verdict, light, admitted, of, name, sent, letIn,
    firstAt, firstBy };
}

async function noted(entry, said, guest, sent) {
  const row = rowOf(entry, said, guest, sent);
  await store.tell(row);
  return row;
}

// How a row's ticket is found again: by its place in the list, else by what this page remembers.
export async function ticketOf(row, keeps) {
  const p = row.p ?? (keeps && row.h ? (await store.find({ h: row.h })).guest?.p : undefined);
  const code = codes.get(row.id);
  return p ? { p } : code ? { code } : null;
}
