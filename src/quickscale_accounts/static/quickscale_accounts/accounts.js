// By default HTMX does not swap in an error, but people must see the page "too many attempts".
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status === 429) {
    event.detail.shouldSwap = true;
  }
});

// The style sheet shows the buttons that reveal a password only where this script runs.
document.documentElement.classList.add("qs-js");

function reveal(button, shown) {
  document.getElementById(button.getAttribute("aria-controls")).type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", shown);
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest(".qs-reveal");
  if (button) {
    reveal(button, button.getAttribute("aria-pressed") === "false");
  }
});

// Otherwise the browser might offer the password in other forms.
document.addEventListener(
  "submit",
  ({ target }) => target.querySelectorAll(".qs-reveal").forEach((button) => reveal(button, false)),
  true,
);

// An error is about what the field contained, so it goes with the first change.
document.addEventListener("input", ({ target }) => {
  const field = target.closest("[data-field]");
  if (!field) {
    return;
  }
  field.querySelector("[role=alert]")?.remove();
  target.removeAttribute("aria-invalid");
  target.classList.remove("is-danger", "is-invalid");
  const rule = field.querySelector("[data-least]");
  rule?.classList.toggle("qs-met", [...target.value].length >= Number(rule.dataset.least));
});
