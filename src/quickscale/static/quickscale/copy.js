"use strict";

// Copies the text of the element whose id is in data-target. Without this script, or without a
// clipboard, as on a page without HTTPS, elements.css hides it.
if (navigator.clipboard && !customElements.get("qs-copy")) {
  customElements.define(
    "qs-copy",
    class extends HTMLElement {
      constructor() {
        super();
        this.addEventListener("click", this);
      }

      async handleEvent(event) {
        if (!event.target.closest("button")) {
          return;
        }
        const { target, done, failed } = this.dataset;
        const status = this.querySelector("[role=status]");
        try {
          await navigator.clipboard.writeText(document.getElementById(target).innerText.trim());
          status.textContent = done;
        } catch {
          status.textContent = failed;
        }
      }
    },
  );
}
