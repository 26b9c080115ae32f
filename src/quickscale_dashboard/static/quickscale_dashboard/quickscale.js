"use strict";

document.addEventListener("alpine:init", () => {
  Alpine.data("menu", () => ({
    close() {
      this.$root.open = false;
    },
  }));

  Alpine.data("burger", () => ({
    open: false,
    init() {
      this.open = this.$root.checked;
    },
    sync() {
      this.open = this.$root.checked;
    },
    close() {
      this.$root.checked = false;
      this.open = false;
    },
    get expanded() {
      return String(this.open);
    },
  }));

  Alpine.data("dismissable", () => ({
    dismiss() {
      this.$root.remove();
    },
  }));

  // The choices follow one another; "auto" is the absence of a choice, see theme.js.
  const THEMES = ["auto", "light", "dark"];

  Alpine.data("theme", () => ({
    current: document.documentElement.dataset.theme || "auto",
    next() {
      this.current = THEMES[(THEMES.indexOf(this.current) + 1) % THEMES.length];
      const root = document.documentElement;
      if (this.current === "auto") {
        delete root.dataset.theme;
      } else {
        root.dataset.theme = this.current;
      }
      try {
        localStorage.setItem("quickscale-theme", this.current);
      } catch {
        // The choice then holds for this page only.
      }
    },
    get auto() {
      return this.current === "auto";
    },
    get light() {
      return this.current === "light";
    },
    get dark() {
      return this.current === "dark";
    },
  }));
});

// A request that fails would otherwise leave the page as if nothing had been asked.
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => {
    const template = document.getElementById("request-failed");
    const messages = document.getElementById("messages");
    if (template && messages) {
      messages.replaceChildren(template.content.cloneNode(true));
    }
  });
}
