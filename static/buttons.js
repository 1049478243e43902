// What buttons and forms do that need no server: copy what is named, count a field up or down, print,
// refuse a file that is too large, keep what is written.
"use strict";

// The words come with the script, in the language of the page.
const said = document.currentScript.dataset;

async function copy(button) {
  const source = document.getElementById(button.dataset.copies);
  const announcer = document.getElementById("announcer");
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    announcer.textContent = button.textContent = said.copied;
  } catch {
    // Also what is missing on a plain http address that is not this machine.
    getSelection().selectAllChildren(source);
    announcer.textContent = said.selected;
  }
}

function step(button) {
  const field = document.getElementById(button.dataset.steps);
  field.stepUp(button.dataset.by);
  // Fewer than so many cannot be had: none, or as many.
  const { least } = field.dataset;
  if (field.value > 0 && field.value < Number(least)) field.value = button.dataset.by > 0 ? least : field.min;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// Parts of the page come anew, so no button is listened to on its own.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copies], [data-steps], [data-print]");
  if (button?.dataset.copies) copy(button);
  else if (button?.dataset.steps) step(button);
  else if (button) window.print();
});

document.addEventListener("change", ({ target }) => {
  const { largest, tooLarge } = target.dataset;
  if (!largest) return;
  const isTooLarge = target.files[0]?.size > largest * 1024 * 1024;
  target.setCustomValidity(isTooLarge ? tooLarge : "");
  target.reportValidity();
});

// What is written in a form that keeps it stays in this tab, until a message with its subject has
// been sent since.
function written(form) {
  return [...form.elements].filter((field) => field.name && field.type !== "hidden");
}

function bringBack(form) {
  const { keeps, latest, sent } = form.dataset;
  const kept = JSON.parse(sessionStorage.getItem(keeps) ?? "null");
  if (!kept) return;
  if (kept.latest !== latest && kept.values.subject === sent) return sessionStorage.removeItem(keeps);
  const fields = written(form);
  if (fields.some((field) => field.value && field.type !== "select-one")) return;
  for (const field of fields) field.value = kept.values[field.name] ?? field.value;
}

document.addEventListener("input", ({ target: { form } }) => {
  if (!form?.dataset.keeps) return;
  const values = Object.fromEntries(written(form).map(({ name, value }) => [name, value]));
  const { keeps, latest } = form.dataset;
  sessionStorage.setItem(keeps, JSON.stringify({ latest, values }));
});

function bringAllBack() {
  for (const form of document.querySelectorAll("form[data-keeps]:not([data-is-back])")) {
    form.dataset.isBack = "yes";
    bringBack(form);
  }
}

bringAllBack();
new MutationObserver(bringAllBack).observe(document.body, { childList: true, subtree: true });
