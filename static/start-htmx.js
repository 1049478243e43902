// Runs htmx from its CDN; when that has not brought it after two seconds, or fails, the copy that
// our server keeps. Once it runs the page says what it does by itself.
"use strict";
{
  const { cdn, copy, integrity } = document.currentScript.dataset;
  const { classList } = document.documentElement;
  const PATIENCE_MS = 2000;
  // Never two at once: each would send every form.
  let isStarted = false;
  let hasCome = false;
  let hasCopyFailed = false;

  function start(url, otherwise) {
    isStarted = true;
    const script = document.createElement("script");
    Object.assign(script, { src: url, integrity, crossOrigin: "anonymous" });
    script.onload = () => classList.replace("still", "live") || classList.add("live");
    script.onerror = () => {
      isStarted = false;
      otherwise();
    };
    document.head.append(script);
  }

  function startFromCdn() {
    start(cdn, () => (hasCopyFailed ? classList.add("still") : startCopy()));
  }

  function startCopy() {
    if (isStarted || hasCopyFailed) return;
    start(copy, () => {
      hasCopyFailed = true;
      if (hasCome) startFromCdn();
      else classList.add("still");
    });
  }

  if (cdn) {
    // A script that comes too late would run all the same; what is only loaded ahead does not.
    const ahead = document.createElement("link");
    Object.assign(ahead, { rel: "preload", as: "script", href: cdn, integrity });
    ahead.crossOrigin = "anonymous";
    ahead.onload = () => {
      hasCome = true;
      if (!isStarted) startFromCdn();
    };
    ahead.onerror = startCopy;
    document.head.append(ahead);
    setTimeout(startCopy, PATIENCE_MS);
  } else {
    startCopy();
  }
}
