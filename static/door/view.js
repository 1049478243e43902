// What people see, hear and press.
import * as camera from "./camera.js";
import { readers, texts } from "./data.js";
import { signal } from "./signal.js";

const $ = (id) => document.getElementById(id);
const field = $("code");
const SIGNS = { green: "✓", red: "✕", amber: "!", calm: "↺" };
const AT_ONCE_MOST = 3;
const ROWS_SHOWN = 8;
const language = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(language === "en" ? "en-GB" : language, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

const fill = (text, facts = {}) =>
  (text ?? "").replace(/\{(\w+)\}/g, (_, name) => facts[name] ?? "");
const time = (moment) => (moment ? clock.format(new Date(moment)) : "");

function make(tag, text, facts = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  return Object.assign(element, facts);
}

// Tickets by type: [{name, tickets}].
function kinds(items, tag = "p") {
  const element = make(tag, "", { className: "kinds" });
  items.forEach(({ name, tickets }, i) => {
    element.append(`${i ? ", " : ""}${tickets} × `, make("bdi", name));
  });
  return element;
}

function button(text, onclick, className = "second") {
  return make("button", text, { type: "button", className, onclick });
}

// The verdict

export function think() {
  $("verdict").className = "thinking";
}

// Shows and says what came of a scan; `choices` are {anyway} or {left, admit}.
export function show(said, choices = {}) {
  const { verdict, light = "red", name, offline } = said;
  const isTakenBack = verdict === "too_many" && said.what === "out";
  const told = isTakenBack ? "too_many_out" : verdict;
  const [word, advice] = texts.verdicts[told] ?? texts.verdicts.broken;
  const facts = { ...said, time: time(said.firstAt), listTime: time(said.listAt) };
  facts.left = said.of - said.admitted;
  const parts = [
    make("p", SIGNS[light], { className: "sign", ariaHidden: "true" }),
    make("p", word, { className: "word" }),
  ];
  if (name) parts.push(make("p", name, { className: "who", dir: "auto" }));
  if (said.items?.length) parts.push(kinds(said.items));
  if (said.of > 1 && said.admitted !== undefined) {
    parts.push(make("p", fill(texts.soMany, facts), { className: "count" }));
  }
  // Only the server knows the name of another event.
  const isServers = ["refused", "other_event"].includes(verdict);
  const detail = isServers ? said.says : fill(firstOf(said) ?? advice, facts);
  if (detail) parts.push(make("p", detail, { className: "advice" }));
  if (offline) {
    const isKept = ["green", "calm"].includes(light);
    const note = isKept ? texts.byItselfKept : texts.byItself;
    parts.push(make("p", note, { className: "advice" }));
  }
  $("verdict").className = light;
  $("verdict").replaceChildren(...parts);
  $("choices").replaceChildren(...buttonsFor(choices));
  signal(light);
  focus();
}

// How to say who was let in before, if that is known.
function firstOf({ verdict, firstAt, firstBy }) {
  if (verdict !== "again" || !firstAt) return undefined;
  return firstBy ? texts.beforeBy : texts.before;
}

function buttonsFor({ anyway, left, admit }) {
  if (anyway) return [button(texts.anyway, anyway, "")];
  if (!left) return [];
  const counts = [...Array(Math.min(left, AT_ONCE_MOST)).keys()].map((i) => i + 1);
  const asked = counts.map((count) => button(`+${count}`, () => admit(count)));
  if (left > AT_ONCE_MOST) asked.push(button(fill(texts.all, { left }), () => admit(left)));
  return [make("p", texts.more, { id: "more" }), ...asked];
}

// What the server judged otherwise, of somebody who is in already: it stays on the page.
export function warn() {
  signal("red");
}

// Figures and state

export function state(known) {
  const { keeps, isAway, isReady, waiting, others, skew, at, revision, twice, of } = known;
  const inside = known.in;
  if (inside !== undefined) $("in").textContent = inside;
  if (of !== undefined) $("of").textContent = of;
  $("twice").hidden = !twice;
  $("twice-count").textContent = twice ?? 0;
  const hasList = revision !== undefined;
  const lines = [];
  const listTime = time(at);
  if (isAway) lines.push(fill(hasList ? texts.away : texts.awayNoList, { listTime }));
  else if (hasList && isReady) lines.push(fill(texts.ready, { listTime }));
  else if (keeps && isSecureContext) lines.push(texts.getsReady);
  if (waiting) lines.push(fill(texts.waiting, { waiting }));
  if (others) lines.push(fill(texts.others, { others }));
  if (!keeps) lines.push(texts.keepsNothing);
  else if (!isSecureContext) lines.push(texts.insecure);
  if (skew) lines.push(fill(texts.skew, { time: time(Date.now() + skew), own: time(Date.now()) }));
  document.body.classList.toggle("away", Boolean(isAway));
  const now = lines.join("\n");
  if ($("state").dataset.told === now) return;
  $("state").dataset.told = now;
  $("state").replaceChildren(...lines.map((line) => make("p", line)));
}

let rowsShown = "";

// The last scans, newest first, with those that need a look before them.
export function rows(all, undo) {
  // A list that is drawn anew takes the focus from its buttons.
  if (rowsShown === JSON.stringify(all)) return;
  rowsShown = JSON.stringify(all);
  const last = all.slice(-ROWS_SHOWN).reverse();
  $("last").replaceChildren(...last.map((row) => rowOf(row, undo)));
  $("none").hidden = last.length > 0;
  const wrong = all.filter(({ surprise }) => surprise).reverse();
  $("wrong").hidden = !wrong.length;
  $("wrong-list").replaceChildren(...wrong.map(wrongOf));
}

function rowOf(row, undo) {
  const [word] = texts.verdicts[row.server?.verdict ?? row.verdict] ?? texts.verdicts.broken;
  const light = row.surprise ? "red" : row.light;
  const text = make("span", "", { className: "guest" });
  text.append(make("b", row.name || texts.noName, { dir: "auto" }));
  const party = row.of > 1 && row.admitted !== undefined ? `, ${fill(texts.soMany, row)}` : "";
  text.append(make("span", `${time(row.at)} ${word}${party}`));
  if (row.letIn && !row.sent) text.append(make("span", texts.notSent, { className: "quiet" }));
  const item = make("li", "", { className: light });
  item.append(make("span", SIGNS[light], { className: "sign", ariaHidden: "true" }), text);
  const isIn = row.what === "in" && (row.light === "green" || row.letIn) && !row.surprise;
  if (isIn && !row.undone) {
    const label = fill(texts.undoOf, { name: row.name || texts.noName });
    item.append(Object.assign(button(texts.undo, () => undo(row)), { ariaLabel: label }));
  }
  return item;
}

function wrongOf(row) {
  const { verdict, firstAt, firstBy } = row.server;
  const [word] = texts.verdicts[verdict] ?? texts.verdicts.broken;
  const why = fill(firstOf(row.server) ?? `${word}.`, { time: time(firstAt), firstBy });
  const item = make("li", "");
  item.append(make("b", row.name || texts.noName, { dir: "auto" }));
  item.append(make("span", fill(texts.letInAt, { time: time(row.at), why })));
  return item;
}

// Guests whose name was searched for; null: nothing was.
export function found(guests, letIn) {
  const items = (guests ?? []).map(({ p, n, s, t, a, items }) => {
    const item = make("li", "");
    const text = make("span", "", { className: "guest" });
    text.append(make("b", n || texts.noName, { dir: "auto" }));
    const word = s === "confirmed" ? fill(texts.soMany, { admitted: a, of: t }) : texts.statuses[s];
    text.append(make("span", word));
    if (items?.length) text.append(kinds(items, "span"));
    item.append(text);
    if (s === "confirmed" && a < t) {
      const label = fill(texts.letInOf, { name: n || texts.noName });
      item.append(Object.assign(button(texts.letIn, () => letIn(p)), { ariaLabel: label }));
    }
    return item;
  });
  $("found").replaceChildren(...items);
  $("found-none").textContent = guests && !guests.length ? texts.nobody : "";
}

export function over(waiting) {
  camera.stop();
  $("work").remove();
  const lines = [texts.over, ...(waiting ? [fill(texts.overWaiting, { waiting })] : [])];
  $("verdict").className = "red";
  $("verdict").replaceChildren(
    make("p", SIGNS.red, { className: "sign", ariaHidden: "true" }),
    make("p", texts.overWord, { className: "word" }),
    ...lines.map((line) => make("p", line, { className: "advice" })),
  );
}

// The field

// A scanner types into it, so it has the focus; on a phone that must not bring up the keys.
const hasKeys = matchMedia("(pointer: fine)").matches;

export function focus() {
  if (document.activeElement?.matches("input:not(#code), summary, video")) return;
  if (!hasKeys) field.inputMode = "none";
  field.focus({ preventScroll: true });
}

let typesOffered = "[]";

// Which types can be sold to somebody without a ticket: they are chosen from, where there are any.
export function offerTypes(types) {
  // A list that is drawn anew takes back what was chosen.
  if (typesOffered === JSON.stringify(types)) return;
  typesOffered = JSON.stringify(types);
  const chosen = $("walk-in-type")?.value;
  $("walk-in-type")?.closest("div").remove();
  if (!types.length) return;
  const select = make("select", "", { id: "walk-in-type", name: "type", required: true });
  for (const { t, n } of types.filter(({ s }) => s)) {
    select.append(make("option", n, { value: t, selected: String(t) === chosen }));
  }
  const field = make("div", "", { className: "wide" });
  field.append(make("label", texts.ticketType, { htmlFor: select.id }), select);
  $("walk-in-tickets").closest("div").before(field);
}

export const clearSale = () => $("walk-in").reset();

export function begin({ onCode, onSearch, onSale, onLeave }) {
  const take = (form, work) =>
    $(form).addEventListener("submit", (submit) => {
      submit.preventDefault();
      work();
    });
  take("scan", () => {
    const { value } = field;
    field.value = "";
    onCode(value);
    focus();
  });
  field.addEventListener("pointerdown", () => (field.inputMode = "text"));
  let soon;
  $("search").addEventListener("input", () => {
    clearTimeout(soon);
    soon = setTimeout(() => onSearch($("search").value), 150);
  });
  take("search-form", () => onSearch($("search").value));
  take("leave", async () => {
    await onLeave();
    $("leave").submit();
  });
  if (onSale) take("walk-in", () => onSale(new FormData($("walk-in"))));
  beginCamera(onCode);
  focus();
}

function beginCamera(onCode) {
  const say = (text) => ($("camera-says").textContent = text);
  if (!isSecureContext) return say(texts.cameraInsecure);
  if (!navigator.mediaDevices) return say(texts.cameraNone);
  const toggle = $("camera");
  toggle.hidden = false;
  toggle.onclick = async () => {
    focus();
    const isOn = toggle.getAttribute("aria-pressed") === "true";
    if (isOn) camera.stop();
    try {
      if (!isOn) {
        say(texts.cameraStarts);
        $("view").hidden = false;
        await camera.start($("view"), readers, onCode);
      }
      say("");
    } catch (problem) {
      say(texts.cameraProblems[problem.name] ?? texts.cameraReader);
    }
    const runs = camera.isOn();
    $("view").hidden = !runs;
    toggle.setAttribute("aria-pressed", String(runs));
    toggle.textContent = runs ? texts.cameraStop : texts.cameraStart;
  };
}
