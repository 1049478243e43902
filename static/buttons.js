// What buttons do that need no server: copy a text, print the page.
"use strict";

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    button.textContent = "Copied";
    document.getElementById("announcer").textContent = "Copied";
  } catch {
    // Browsers let no page copy that did not come by https; what is selected can be copied by hand.
    getSelection().selectAllChildren(source);
  }
}

// Parts of the page come anew, so no button is listened to on its own.
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-copy], [data-print]");
  if (button?.dataset.copy) copy(button);
  else if (button) window.print();
});
