"use strict";

// By default HTMX does not swap in an error, but people must see the page "too many attempts".
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 429) {
    event.detail.shouldSwap = true;
  }
});

// The most bits that an attacker has to guess, by alphabet and length; repeats count for less.
function passwordBits(password) {
  const alphabets = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/];
  const sizes = [26, 26, 10, 33];
  const size = alphabets.reduce(
    (sum, alphabet, i) => sum + (alphabet.test(password) ? sizes[i] : 0),
    0,
  );
  const different = new Set(password).size;
  const length = (different + Math.min(password.length, 2 * different)) / 2;
  return size ? length * Math.log2(size) : 0;
}

document.addEventListener("alpine:init", () => {
  Alpine.data("passwordStrength", () => ({
    level: 0,
    init() {
      this.$root.addEventListener("input", (event) => {
        const bits = passwordBits(event.target.value);
        this.level = [0, 45, 60, 75].filter((least) => bits > least).length;
      });
    },
    get empty() {
      return this.level === 0;
    },
    get tone() {
      return ["", "qs-danger", "qs-warning", "qs-info", "qs-success"][this.level];
    },
    get words() {
      const { weak, fair, good, strong } = this.$root.dataset;
      return ["", weak, fair, good, strong][this.level];
    },
  }));
});
