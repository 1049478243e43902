// What buttons do that need no server: copy what they name, count a field up or down, print.
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
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

// Parts of the page come anew, so no button is listened to on its own.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copies], [data-steps], [data-print]");
  if (button?.dataset.copies) copy(button);
  else if (button?.dataset.steps) step(button);
  else if (button) window.print();
});
