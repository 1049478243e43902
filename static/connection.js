// Says so when a form cannot be sent: otherwise a click would seem to do nothing.
"use strict";

const { lost } = document.currentScript.dataset;

document.addEventListener("htmx:error", ({ detail }) => {
  const { sourceElement, request } = detail.ctx ?? {};
  const form = sourceElement?.closest("form");
  // What is polled or searched for comes with the next try.
  if (!form || request.method !== "POST") return;
  let problem = form.querySelector(".problem");
  if (!problem) {
    problem = document.createElement("p");
    problem.className = "problem";
    problem.tabIndex = -1;
    form.prepend(problem);
  }
  problem.textContent = lost;
  problem.focus();
});
