// Sound and vibration, if this device wants them.

const WANTED = "nextup-door-signals";
// {light: [tones in Hz, milliseconds of shaking and pausing]}
const SIGNALS = {
  green: [[880, 1320], [60]],
  amber: [[660, 660], [120, 80, 120]],
  red: [[220, 180, 140], [300, 100, 300]],
  calm: [[520], [40]],
};
const TONE_S = 0.13;
const box = document.getElementById("signals");
let sound = null;

const kept = (work) => {
  try {
    return work(localStorage);
  } catch {
    // Where a browser keeps nothing the choice holds for this page.
    return null;
  }
};

box.checked = kept((storage) => storage.getItem(WANTED)) === "yes";
box.onchange = () => {
  kept((storage) => storage.setItem(WANTED, box.checked ? "yes" : "no"));
  if (box.checked) signal("green");
};

export function signal(light) {
  if (!box.checked) return;
  const [tones, pattern] = SIGNALS[light] ?? SIGNALS.red;
  navigator.vibrate?.(pattern);
  sound ??= new AudioContext();
  sound.resume();
  tones.forEach((tone, i) => {
    const voice = new OscillatorNode(sound, { frequency: tone, type: "square" });
    const volume = new GainNode(sound, { gain: 0.15 });
    voice.connect(volume).connect(sound.destination);
    voice.start(sound.currentTime + i * TONE_S);
    voice.stop(sound.currentTime + (i + 0.9) * TONE_S);
  });
}
