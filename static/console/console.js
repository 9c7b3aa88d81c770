// The console's live pages. static/js/live.js dispatches every event as `tandem:event`; here it
// becomes a refresh of what the page shows, at most a few times a second, never a reload.
"use strict";

(() => {
  const DEBOUNCE_MS = 250;
  const POLL_MS = 5000; // for what is missed while no socket is open
  const ROWS_PER_PAGE = 100;

  // A burst of calls becomes one now and then; a call during a request is kept for after it.
  function debounced(work) {
    let timer = null;
    let running = false;
    let again = false;
    const run = async () => {
      timer = null;
      if (running) {
        again = true;
        return;
      }
      running = true;
      try {
        await work();
      } finally {
        running = false;
        if (again) {
          again = false;
          timer = setTimeout(run, DEBOUNCE_MS);
        }
      }
    };
    return () => {
      if (timer === null) timer = setTimeout(run, DEBOUNCE_MS);
    };
  }

  const fetched = (url, target) => htmx.ajax("GET", url, { target, swap: "innerHTML" });

  // --- the signal page ------------------------------------------------------------------------

  function signalPage(root) {
    const changed = new Set();
    let all = false;
    let done = false;

    const rowsOnShow = () => root.querySelectorAll("#signal-rows tr[data-intent]");
    const isOnShow = (intent) => document.getElementById(`row-${intent}`) !== null;
    const isSettled = () => root.querySelector("#signal-counters")?.dataset.done === "1";
    const address = (base, extra) => {
      const query = new URLSearchParams({
        status: root.dataset.status,
        page: root.dataset.page,
        ...extra,
      });
      return `${base}?${query}`;
    };

    const refresh = debounced(async () => {
      const rows = [...changed].filter(isOnShow);
      // A filter or an unfinished page can gain and lose rows, so it is drawn anew.
      const isOpen = root.dataset.status !== "" || rowsOnShow().length < ROWS_PER_PAGE;
      const strangers = [...changed].some((intent) => !isOnShow(intent));
      changed.clear();
      if (all || (isOpen && (strangers || root.dataset.status !== ""))) {
        all = false;
        await fetched(address(root.dataset.refreshUrl, {}), root);
        return;
      }
      const changes = address(root.dataset.changesUrl, { rows: rows.join(",") });
      await htmx.ajax("GET", changes, { target: root, swap: "none" });
      for (const intent of rows) document.getElementById(`row-${intent}`)?.classList.add("is-fresh");
    });

    document.addEventListener("tandem:event", ({ detail }) => {
      const payload = detail?.payload;
      if (!payload || payload.signal !== root.dataset.signal) return;
      for (const row of payload.rows ?? []) changed.add(row.intent);
      if (detail.kind === "signal.done") all = true;
      refresh();
    });
    const again = () => {
      all = true;
      refresh();
    };
    document.addEventListener("tandem:reset", again);
    // what came between the drawing of the page and the opening of the socket
    document.addEventListener("tandem:state", ({ detail }) => detail === "live" && again());
    setInterval(() => {
      if (done || document.hidden) return;
      done = isSettled();
      again();
    }, POLL_MS);

    // The counters filter and the pages turn without a reload, and the address follows.
    root.addEventListener("click", (click) => {
      const link = click.target.closest("a.console-counter, .console-pages a");
      if (!link || click.ctrlKey || click.metaKey || click.shiftKey) return;
      click.preventDefault();
      const wanted = new URL(link.href).searchParams;
      root.dataset.status = wanted.get("status") ?? "";
      root.dataset.page = wanted.get("page") ?? "1";
      history.replaceState(null, "", address(location.pathname, {}));
      fetched(address(root.dataset.refreshUrl, {}), root);
    });
  }

  // --- the start page -------------------------------------------------------------------------

  function overviewPage(root) {
    const refresh = debounced(() => fetched(root.dataset.refreshUrl, root));
    const kinds = ["signal.accepted", "signal.rows", "signal.done", "account.health", "alert.raised", "alert.resolved"];
    document.addEventListener("tandem:event", ({ detail }) => {
      if (kinds.includes(detail?.kind)) refresh();
    });
    document.addEventListener("tandem:reset", refresh);
    document.addEventListener("tandem:state", ({ detail }) => detail === "live" && refresh());
  }

  document.addEventListener("tandem:event", ({ detail }) => {
    // The banner is on every page, and a halted system must not look like a running one.
    const kinds = ["control.changed", "breaker.changed"];
    if (!kinds.includes(detail?.kind) || document.querySelector("form.console-form")) return;
    location.reload();
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const root of document.querySelectorAll("[data-console-live]")) {
      ({ signal: signalPage, overview: overviewPage })[root.dataset.consoleLive](root);
    }
    for (const field of document.querySelectorAll("[data-console-select]")) {
      field.addEventListener("focus", () => field.select());
    }
  });
})();
