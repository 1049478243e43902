// Asks for what is new while somebody looks, seldom while nothing moves, and counts down to an
// opening by the server's clock. htmx sends what an element with data-asks is told to ask.
"use strict";

const { opened } = document.currentScript.dataset;
const SLOWER = 1.5;
// All who wait for an opening look once in these seconds before it and once after it, not at once.
const SPREAD = 50;
// Right before and after it nobody looks.
const QUIET = 5;
// Until then a look now and then notices an opening that was moved.
const SELDOM = 600;
const DAY = 86400;

// What is known of each part that asks: when it has asked and will, how long it pauses, its text.
const parts = new WeakMap();
// When the clock of each page came.
const clocks = new WeakMap();
// Since its first byte the page that was loaded has been on its way.
const [loaded] = performance.getEntriesByType("navigation");
let onItsWay = loaded ? performance.now() - loaded.responseStart : 0;
// The button that is shut until the opening.
let shut = null;

const seconds = () => performance.now() / 1000;
const around = (pause) => pause * (0.75 + Math.random() / 2);

// The server's time in seconds; null where the page does not tell it.
function serverTime() {
  const clock = document.getElementById("server-time");
  if (!clock) return null;
  if (!clocks.has(clock)) {
    clocks.set(clock, { ticks: performance.now() - onItsWay, wall: Date.now() - onItsWay });
  }
  const { ticks, wall } = clocks.get(clock);
  // One of them stands still while a machine sleeps, and the other one can be set back.
  const passed = Math.max(performance.now() - ticks, Date.now() - wall);
  return Number(clock.value) + passed / 1000;
}

// Seconds until booking opens, negative afterwards; null where no opening is waited for.
function untilOpening(element) {
  const countdown = element.querySelector("[data-opens-at]");
  const now = serverTime();
  return countdown && now !== null ? Number(countdown.dataset.opensAt) - now : null;
}

function pauses(part) {
  return part.dataset.asks.split(" ").map(Number);
}

function stateOf(part) {
  let state = parts.get(part);
  if (!state) {
    state = { pause: pauses(part)[0], asked: seconds(), due: 0, text: part.textContent };
    parts.set(part, state);
    plan(part, state);
  }
  return state;
}

function plan(part, state) {
  const left = untilOpening(part);
  const within = Math.random() * SPREAD;
  let wait = around(state.pause);
  if (left > QUIET + SPREAD) wait = Math.min(left - QUIET - within, around(SELDOM));
  else if (left > 0) wait = left + QUIET + within;
  state.due = seconds() + wait;
}

function ask(part, state) {
  state.asked = seconds();
  // An answer plans anew; without one, and without htmx, it is tried again in a while.
  state.due = state.asked + pauses(part)[1];
  part.dispatchEvent(new Event("ask"));
}

document.addEventListener("htmx:finally:request", ({ detail }) => {
  const part = detail.ctx.sourceElement;
  if (!part?.matches("[data-asks]") || !part.isConnected) return;
  const state = stateOf(part);
  const [first, slowest] = pauses(part);
  const answered = detail.ctx.response?.status < 400;
  const moved = answered && part.textContent !== state.text;
  state.pause = moved ? first : Math.min(state.pause * SLOWER, slowest);
  state.text = part.textContent;
  plan(part, state);
  tick();
});

function inWords(left) {
  if (left > 2 * DAY) {
    const style = { style: "unit", unit: "day", unitDisplay: "long" };
    const days = new Intl.NumberFormat(document.documentElement.lang, style);
    return days.format(Math.floor(left / DAY));
  }
  const all = Math.ceil(left);
  const clock = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  return clock.map((number) => String(number).padStart(2, "0")).join(":");
}

function countDown() {
  const left = untilOpening(document);
  const button = document.getElementById("book-button");
  if (shut && (shut !== button || !(left > 0))) {
    shut.disabled = false;
    shut = null;
    if (left !== null) document.getElementById("announcer").textContent = opened;
  }
  if (left === null) return;
  const countdown = document.querySelector("[data-opens-at]");
  const words = left > 0 ? countdown.dataset.told.replace("{}", inWords(left)) : opened;
  if (countdown.textContent !== words) countdown.textContent = words;
  if (left > 0 && button && !shut) {
    shut = button;
    button.disabled = true;
  }
  if (left > 0 && left < 1) setTimeout(tick, left * 1000 + 1);
}

function tick() {
  countDown();
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-asks]")) {
    const state = stateOf(part);
    // A menu that is open in it would shut.
    if (state.due <= seconds() && !part.querySelector(".more[open]")) ask(part, state);
  }
}

// Somebody looks again, or is back online: what is older than a short pause is asked for at once.
function wake() {
  for (const part of document.querySelectorAll("[data-asks]")) {
    const state = stateOf(part);
    if (untilOpening(part) === null) {
      state.due = Math.min(state.due, state.asked + pauses(part)[0]);
    }
  }
  tick();
}

document.addEventListener("visibilitychange", () => document.hidden || wake());
addEventListener("online", wake);
addEventListener("pageshow", () => {
  // Some browsers show a page again with its button as it was left.
  const button = document.getElementById("book-button");
  if (button && !shut) button.disabled = false;
  wake();
});
tick();
onItsWay = 0;
setInterval(tick, 1000);
