// Runs before the first paint, so that a dark page never flashes white.
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function kept() {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is forbidden: the system's choice it is
    }
  }

  function apply() {
    root.dataset.bsTheme = kept() || (dark.matches ? "dark" : "light");
  }

  apply();
  dark.addEventListener("change", apply);
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest("[data-theme-toggle]")) return;
    const next = root.dataset.bsTheme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", next);
    } catch {
      // not kept, but shown
    }
    root.dataset.bsTheme = next;
  });
})();
