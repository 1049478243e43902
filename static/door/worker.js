// Keeps the page of the door and its files, so that it opens without a network. What stands before
// this line says which: `SHELL` = {version, page, files, readers}. The list and the scans are the
// page's own business, unless the pass is over when it is opened.
/* global SHELL */
"use strict";

const CACHE = `nextup-door-${SHELL.version}`;
const PATIENCE_MS = 1500;
// What store.js keeps of the list; what is not sent yet is not among it.
const LIST = ["guests", "replaced", "facts", "rows"];

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(install());
});

async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL.files);
  await keepPage(cache, await fetch(SHELL.page));
}

self.addEventListener("activate", (event) => event.waitUntil(takeOver()));

async function takeOver() {
  for (const name of await caches.keys()) {
    if (name.startsWith("nextup-door-") && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") {
    if (new URL(request.url).pathname === SHELL.page) event.respondWith(page(request));
    return;
  }
  const isKept = [...SHELL.files, ...SHELL.readers].some(
    (one) => request.url === new URL(one, location).href,
  );
  if (isKept) event.respondWith(file(request));
});

// From the network if it answers in time, else as it was kept.
async function page(request) {
  const cache = await caches.open(CACHE);
  const fresh = fetch(request).then(async (response) => {
    if (isOurs(response) && response.status === 401) await wipe();
    else await keepPage(cache, response.clone());
    return response;
  });
  const kept = await cache.match(SHELL.page);
  if (!kept) return fresh;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  const response = await Promise.race([fresh.catch(() => null), late]);
  // A server in trouble, or a network that wants a log-in of its own: neither is the page.
  const isGood = response && isOurs(response) && response.status < 500;
  return isGood || response?.type === "opaqueredirect" ? response : kept.clone();
}

const isOurs = (response) => response.headers.has("X-Request-ID");

// The pass is over, and no page of ours is shown that would take the list off the device.
async function wipe() {
  await caches.delete(CACHE);
  await new Promise((resolve) => {
    const opening = indexedDB.open("nextup-door");
    opening.onupgradeneeded = () => opening.transaction.abort();
    opening.onerror = resolve;
    opening.onsuccess = () => {
      const { result } = opening;
      const transaction = result.transaction(LIST, "readwrite");
      for (const name of LIST) transaction.objectStore(name).clear();
      transaction.oncomplete = transaction.onabort = () => (result.close(), resolve());
    };
  });
}

// Only a page that was made for these files.
async function keepPage(cache, response) {
  if (response.status !== 200 || response.redirected) return;
  const text = await response.clone().text();
  if (text.includes(SHELL.version)) await cache.put(SHELL.page, response);
}

async function file(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request.url);
  if (kept) return kept;
  const response = await fetch(request);
  // What others made is kept only where its content can be checked.
  if (response.ok && response.type !== "opaque") await cache.put(request.url, response.clone());
  return response;
}
