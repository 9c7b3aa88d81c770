// The portal's page behaviour: parts refresh after live events, questions open in a dialog.
(() => {
  "use strict";
  const REFRESH_DELAY_MS = 250; // a fan-out is many events within moments: one refresh for them
  const waiting = new Map();

  function kindsOf(element) {
    return element.dataset.refreshOn.split(" ");
  }

  function refreshSoon(element) {
    if (waiting.has(element)) return;
    waiting.set(
      element,
      setTimeout(() => {
        waiting.delete(element);
        // A part that the reader works in (a menu is open, a field has the focus) waits.
        if (element.contains(document.activeElement) && document.activeElement.matches("input, select")) {
          refreshSoon(element);
        } else if (element.isConnected) {
          htmx.trigger(element, "refresh");
        }
      }, REFRESH_DELAY_MS),
    );
  }

  function refreshAll(wanted) {
    for (const element of document.querySelectorAll("[data-refresh-on]")) {
      if (wanted(kindsOf(element))) refreshSoon(element);
    }
  }

  // In the capture phase the window hears an event wherever it is sent and whether it bubbles.
  window.addEventListener(
    "tandem:event",
    (event) => refreshAll((kinds) => kinds.includes(event.detail.kind) || kinds.includes("*")),
    true,
  );
  window.addEventListener("tandem:reset", () => refreshAll(() => true), true);

  function showState(state) {
    if (state === "signed-out") window.location.reload(); // to the login, or to whom it acts for now
    const element = document.getElementById("live-state");
    if (!element) return;
    const text = element.dataset[state === "live" ? "liveText" : "waitingText"];
    element.dataset.state = state;
    element.title = text;
    element.querySelector(".live-label").textContent = text;
  }

  window.addEventListener("tandem:state", (event) => showState(event.detail), true);
  document.addEventListener("DOMContentLoaded", () => showState(document.documentElement.dataset.live));

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "dialog-content") {
      bootstrap.Modal.getOrCreateInstance(document.getElementById("dialog")).show();
    }
    showLocalTimes(event.target);
  });

  // Moves the whole page on when the login has ended.
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 403) window.location.reload();
  });

  // A filter may have moved the address on since the page was made.
  document.addEventListener("submit", (event) => {
    const here = event.target.querySelector("[data-here]");
    if (here) here.value = window.location.pathname + window.location.search;
  });

  function showLocalTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      element.title = new Date(element.dateTime).toLocaleString(document.documentElement.lang);
    }
  }

  document.addEventListener("DOMContentLoaded", () => showLocalTimes(document));
})();
