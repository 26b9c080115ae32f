"use strict";
document.addEventListener("alpine:init", () => {
  Alpine.data("menu", () => ({
    close() {
      this.$root.open = false;
    },
  }));
  Alpine.data("burger", () => ({
    open: false,
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
});
