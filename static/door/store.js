// What this device keeps: the list (no code in it, only hashes), what is not sent yet, what was
// scanned last. All of it is in IndexedDB, so that it outlives the page and the browser.

const NAME = "nextup-door";
const KEPT_ROWS = 60;
const STORES = ["guests", "replaced", "facts", "queue", "rows"];
// What is known of this device, whatever the list.
const DEVICE_FACTS = ["skew"];

let opened = null;

// Rejects where the browser keeps nothing, as some do in private windows.
export function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      const { result } = request;
      result.createObjectStore("guests", { keyPath: "p" }).createIndex("h", "h");
      result.createObjectStore("replaced");
      result.createObjectStore("facts");
      const queue = result.createObjectStore("queue", { keyPath: "seq", autoIncrement: true });
      queue.createIndex("id", "id", { unique: true });
      result.createObjectStore("rows", { keyPath: "seq", autoIncrement: true }).createIndex("id", "id");
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opened;
}

const result = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

// Runs `work` in one transaction and gives its answer once all of it is on the disk.
async function change(names, work) {
  const database = await open();
  const transaction = database.transaction(names, "readwrite", { durability: "strict" });
  const done = new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
  });
  const answer = await work((name) => transaction.objectStore(name));
  await done;
  return answer;
}

async function read(name, work) {
  const database = await open();
  return result(work(database.transaction(name).objectStore(name)));
}

// The queue

// A scan is on the disk when this resolves; nothing is shown before.
export const keep = (entry) => change(["queue"], (store) => result(store("queue").add(entry)));
export const queued = () => read("queue", (queue) => queue.getAll());

// What was decided here and the server does not know of: [entries of this event, of others].
export async function waiting(event) {
  const all = (await queued()).filter((one) => one.decided);
  return [all.filter((one) => one.event === event), all.filter((one) => one.event !== event)];
}

// The device has decided by itself that an entry counts. Only such entries are sent later; of one
// that is not decided nobody has seen a light.
export function decided(seq) {
  return change(["queue"], async (store) => {
    const entry = await result(store("queue").get(seq));
    if (!entry) return;
    Object.assign(entry, { decided: true, offline: true });
    // A code that the list knows need not lie on the phone.
    if (entry.p) delete entry.code;
    store("queue").put(entry);
  });
}

export const drop = (...seqs) =>
  change(["queue"], (store) => seqs.forEach((seq) => store("queue").delete(seq)));

// The server has answered entries: they leave the queue, the list learns, the rows say so, all at
// once. `answers` are [[entry, answer]]; gives the rows of those that were let in and should not be.
export function settle(answers) {
  return change(["queue", "guests", "facts", "rows"], async (store) => {
    const surprises = [];
    const settled = ((await result(store("facts").get("settled"))) ?? 0) + 1;
    store("facts").put(settled, "settled");
    for (const [entry, answer] of answers) {
      // Another tab may have been first.
      if (!(await result(store("queue").get(entry.seq)))) continue;
      store("queue").delete(entry.seq);
      const guest = await guestOf(store("guests"), entry);
      if (guest && Number.isInteger(answer.admitted)) {
        const inside = (await result(store("facts").get("in"))) + answer.admitted - guest.a;
        store("facts").put(inside, "in");
        store("guests").put({ ...guest, a: answer.admitted });
      }
      const row = await result(store("rows").index("id").get(entry.id));
      if (!row) continue;
      const isSurprise = row.letIn && answer.verdict !== "admitted";
      const name = answer.name || row.name;
      Object.assign(row, { sent: true, name, server: answer, surprise: isSurprise });
      store("rows").put(row);
      if (isSurprise) surprises.push(row);
    }
    return surprises;
  });
}

// The list

async function guestOf(guests, { p, h }) {
  if (p) return result(guests.get(p));
  return h ? result(guests.index("h").get(h)) : undefined;
}

export async function find(ticket) {
  const database = await open();
  const transaction = database.transaction(["guests", "replaced"]);
  const isReplaced = ticket.h ? await result(transaction.objectStore("replaced").get(ticket.h)) : 0;
  const guest = await guestOf(transaction.objectStore("guests"), ticket);
  return { guest, isReplaced: Boolean(isReplaced) };
}

export const guests = () => read("guests", (store) => store.getAll());

// The answer of the server to "what is new": the whole list or what has changed. Gives false, and
// learns nothing, where a scan was answered since `settled`: the answer may be older than that.
export function learn(answer, facts, settled = 0) {
  return change(["guests", "replaced", "facts"], async (store) => {
    if (((await result(store("facts").get("settled"))) ?? 0) !== settled) return false;
    if (answer.whole) {
      store("guests").clear();
      store("replaced").clear();
    }
    for (const guest of answer.guests) store("guests").put(guest);
    for (const hash of answer.replaced) store("replaced").put(1, hash);
    for (const [name, value] of Object.entries(facts)) store("facts").put(value, name);
    return true;
  });
}

// What is known beside the guests: event, endsAt, revision, of when the list is, its figures.
export async function facts() {
  const database = await open();
  const store = database.transaction("facts").objectStore("facts");
  const [names, values] = await Promise.all([result(store.getAllKeys()), result(store.getAll())]);
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

export const note = (name, value) =>
  change(["facts"], (store) => store("facts").put(value, name));

// The rows: what was scanned last, for people

export function tell(row) {
  return change(["rows"], async (store) => {
    const seq = await result(store("rows").add(row));
    const old = await result(store("rows").getAll(IDBKeyRange.upperBound(seq - KEPT_ROWS, true)));
    for (const one of old) if (!one.surprise) store("rows").delete(one.seq);
    return seq;
  });
}

export const rows = () => read("rows", (store) => store.getAll());

export function mark(id, facts) {
  return change(["rows"], async (store) => {
    const row = await result(store("rows").index("id").get(id));
    if (row) store("rows").put({ ...row, ...facts });
  });
}

// The pass is over, or it is another event: names and hashes leave the device. What is not sent
// stays: somebody was let in by it.
export function wipe() {
  return change(STORES, async (store) => {
    const kept = await Promise.all(DEVICE_FACTS.map((name) => result(store("facts").get(name))));
    for (const name of ["guests", "replaced", "facts", "rows"]) store(name).clear();
    DEVICE_FACTS.forEach((name, i) => kept[i] === undefined || store("facts").put(kept[i], name));
  });
}
