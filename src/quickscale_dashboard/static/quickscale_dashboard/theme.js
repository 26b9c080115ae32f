// Loaded before the page is drawn, so that a chosen theme never flashes. Without a choice the
// page follows prefers-color-scheme, as it does without JavaScript.
"use strict";
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("quickscale-theme");
  } catch {
    // Storage can be forbidden; the page then follows the system.
  }
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
})();
