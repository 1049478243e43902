// Reads QR codes with the device's camera: by the browser's own reader, or where it has none by the
// package `barcode-detector`, from its CDN or from the copy that our server keeps.

const LOOK_EVERY_MS = 120;
// A code that stays before the camera is read once; after so long without it, again.
const SAME_AGAIN_MS = 4000;
const CDN_PATIENCE_MS = 2000;

let stream = null;

export const isOn = () => stream !== null;

// Starts the camera, shows it in `video` and calls `onCode(text)` for each code.
// Rejects with NotAllowedError, NotFoundError and so on, or with another one without a reader.
export async function start(video, readers, onCode) {
  const media = { video: { facingMode: "environment", width: { ideal: 1280 } }, audio: false };
  const mine = (stream = await navigator.mediaDevices.getUserMedia(media));
  try {
    const reader = await detector(readers);
    video.srcObject = mine;
    await video.play();
    look(video, reader, onCode, () => stream === mine);
  } catch (problem) {
    stop();
    throw problem;
  }
  // The screen stays on while it looks; where that cannot be had, nothing is lost.
  navigator.wakeLock?.request("screen").catch(() => {});
}

export function stop() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
}

async function look(video, reader, onCode, goesOn) {
  // {code: when it was last seen}
  const seen = new Map();
  while (goesOn()) {
    let found = [];
    try {
      if (video.readyState >= 2) found = await reader.detect(video);
    } catch {
      // A frame that cannot be read: the next one can.
    }
    for (const { rawValue } of goesOn() ? found : []) {
      const isThere = performance.now() - seen.get(rawValue) < SAME_AGAIN_MS;
      seen.set(rawValue, performance.now());
      if (!isThere) onCode(rawValue);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

async function detector(readers) {
  const own = globalThis.BarcodeDetector;
  const formats = own ? await own.getSupportedFormats().catch(() => []) : [];
  if (formats.includes("qr_code")) return new own({ formats: ["qr_code"] });
  await anyOf(readers.script, addScript);
  const wasmBinary = await anyOf(readers.wasm, fetchBytes);
  const { BarcodeDetector, prepareZXingModule } = globalThis.BarcodeDetectionAPI;
  await prepareZXingModule({ overrides: { wasmBinary }, fireImmediately: true });
  return new BarcodeDetector({ formats: ["qr_code"] });
}

// From its CDN, or when that is silent from our copy: {cdn: address or nothing, copy, integrity}.
async function anyOf({ cdn, copy, integrity }, load) {
  if (cdn) {
    try {
      return await load(cdn, integrity, CDN_PATIENCE_MS);
    } catch {
      // Our copy may be there.
    }
  }
  return load(copy, integrity);
}

async function fetchBytes(url, integrity, patience = 30_000) {
  const response = await fetch(url, { integrity, signal: AbortSignal.timeout(patience * 5) });
  if (!response.ok) throw new Error(response.statusText);
  return response.arrayBuffer();
}

function addScript(url, integrity, patience = 30_000) {
  return new Promise((resolve, reject) => {
    if (globalThis.BarcodeDetectionAPI) return resolve();
    const script = document.createElement("script");
    const give = () => (script.remove(), reject(new Error(url)));
    const timer = setTimeout(give, patience);
    Object.assign(script, { src: url, integrity, crossOrigin: "anonymous", onerror: give });
    script.onload = () => (clearTimeout(timer), resolve());
    document.head.append(script);
  });
}
