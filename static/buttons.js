// What buttons do that need no server: copy what they name, print the page.
"use strict";

async function copy(button) {
  const source = document.getElementById(button.dataset.copies);
  const announcer = document.getElementById("announcer");
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    announcer.textContent = button.textContent = "Copied";
  } catch {
    // Also what is missing on a plain http address that is not this machine.
    getSelection().selectAllChildren(source);
    announcer.textContent = "Selected: press the keys that copy.";
  }
}

// Parts of the page come anew, so no button is listened to on its own.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copies], [data-print]");
  if (button?.dataset.copies) copy(button);
  else if (button) window.print();
});
