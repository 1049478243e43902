// What a device says of a ticket by itself, from its list and what it has not sent yet. Pure.

// The letters of a ticket code as they are kept, however they were typed.
export function normalized(text) {
  return text.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
}

// `guest` is what the list has of the ticket, if anything: {p: position, n: name, s: status,
// t: tickets, a: how many of them are in, w: of which types}. `pending` are those let in (negative: let out) that the
// server does not know of. Gives {light, verdict, admitted, of}.
export function decide({ guest, isReplaced = false, pending = 0, count = 1, what = "in" }) {
  if (isReplaced) return { light: "red", verdict: "replaced" };
  if (!guest) {
    // Who was let in all the same is in.
    if (pending > 0) return { light: "red", verdict: "again", admitted: pending, of: pending };
    return { light: "amber", verdict: "not_listed" };
  }
  const inside = guest.a + pending;
  const told = (verdict, admitted = inside) => ({
    light: lightOf(verdict),
    verdict,
    admitted,
    of: guest.t,
  });
  if (what === "out") {
    if (inside <= 0) return told("not_in");
    return count > inside ? told("too_many") : told("undone", inside - count);
  }
  if (guest.s === "cancelled") return told("cancelled");
  if (guest.s !== "confirmed") return told("not_confirmed");
  if (inside >= guest.t) return told("again");
  return inside + count > guest.t ? told("too_many") : told("admitted", inside + count);
}

export function lightOf(verdict) {
  if (verdict === "admitted") return "green";
  if (verdict === "undone") return "calm";
  return verdict === "not_listed" ? "amber" : "red";
}

// How many more are in, by entries that the list does not know of yet.
export function pendingOf(entries) {
  return entries.reduce((sum, { what, count }) => sum + (what === "out" ? -count : count), 0);
}

// Those of entries that are of a ticket: known by position, by the hash of its code, or by the code.
export function ofTicket(entries, { p, h, code }) {
  return entries.filter(
    (one) => (p && one.p === p) || (h && one.h === h) || (code && one.code === code),
  );
}

// Tickets by type as the server tells them, from what the list has of a guest: `wants` such as
// "1:2,3:1", `types` [{t: number, n: name}] in their order. Gives [{type, name, tickets}].
export function itemsOf(wants, types) {
  const wanted = new Map((wants || "").split(",").map((pair) => pair.split(":")));
  return types
    .filter(({ t }) => wanted.has(String(t)))
    .map(({ t, n }) => ({ type: t, name: n, tickets: Number(wanted.get(String(t))) }));
}

// For a search that knows neither case nor accents, words in any order.
export function folded(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

export function matches(name, words) {
  const text = folded(name);
  return folded(words).split(/\s+/).every((word) => text.includes(word));
}
