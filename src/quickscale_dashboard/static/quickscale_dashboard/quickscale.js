"use strict";

document.addEventListener("alpine:init", () => {
  Alpine.data("menu", () => ({
    close() {
      this.$root.open = false;
    },
    escape() {
      if (this.$root.open) {
        this.close();
        this.$root.querySelector("summary").focus();
      }
    },
    leave(event) {
      // Without a related target, the focus left the window, or a click hit nothing focusable.
      if (event.relatedTarget && !this.$root.contains(event.relatedTarget)) {
        this.close();
      }
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
      const menu = document.getElementById(this.$root.getAttribute("aria-controls"));
      if (this.open && menu.contains(document.activeElement)) {
        this.$root.focus();
      }
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

  // The button cycles through the choices; "auto" is the absence of a choice, see theme.js.
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
        // Then the choice applies to this page only.
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

// Otherwise a failed request would leave the page as if nothing had happened.
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => {
    const template = document.getElementById("request-failed");
    const messages = document.getElementById("messages");
    if (template && messages) {
      messages.replaceChildren(template.content.cloneNode(true));
    }
  });
}

// When the session has ended, the text typed into a form is kept in this tab until its page is shown
// again, and is restored for the same person only.
const DRAFT = "quickscale-draft";
const TYPED = "textarea, select, input:not([type=hidden], [type=password], [type=file], [type=checkbox], [type=radio])";

document.addEventListener("session-ended", (event) => {
  const form = event.target.closest("form[hx-post]");
  const user = document.body.dataset.user;
  if (!form || !user) {
    return;
  }
  const fields = [...form.querySelectorAll(TYPED)].map((field) => [field.name, field.value]);
  const draft = { user, page: location.pathname, form: form.getAttribute("hx-post"), fields };
  try {
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  } catch {
    // Then the text has to be typed again.
  }
});

function restoreDraft() {
  const draft = JSON.parse(sessionStorage.getItem(DRAFT) || "null");
  const user = document.body.dataset.user;
  if (!draft || !user) {
    return;
  }
  if (draft.user !== user) {
    sessionStorage.removeItem(DRAFT);
  } else if (draft.page === location.pathname) {
    sessionStorage.removeItem(DRAFT);
    const form = document.querySelector(`form[hx-post="${CSS.escape(draft.form)}"]`);
    for (const [name, value] of form ? draft.fields : []) {
      const field = [...form.querySelectorAll(TYPED)].find((each) => each.name === name);
      if (field) {
        field.value = value;
        field.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
  }
}

try {
  restoreDraft();
} catch {
  // No storage, no draft.
}
