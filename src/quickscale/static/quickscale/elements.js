"use strict";

// Tells people that work is going on, and what came of it: docs/reference/feedback.md.
(() => {
  const { working } = document.currentScript.dataset;
  const DELAY = 300; // Quicker work needs no sign.
  const DOUBLE_CLICK = 1000;
  const STOPPED = 30000; // No event reports that a page load was stopped.

  // Screen readers announce a text only if its region existed before.

  const region = document.getElementById("announcement") ?? document.createElement("p");
  region.id = "announcement";
  region.className = "qs-sr-only";
  region.setAttribute("role", "status");
  if (!region.isConnected) {
    document.body.append(region);
  }

  function announce(text = "") {
    region.textContent = text;
  }

  // A form that is being sent can't be sent again. A disabled button would not be sent with its form,
  // and would lose the focus, so its buttons are only called disabled.

  const locked = new WeakSet();

  function buttons(form) {
    return [...form.elements].filter(({ type }) => type === "submit");
  }

  function lock(form) {
    locked.add(form);
    buttons(form).forEach((button) => button.setAttribute("aria-disabled", "true"));
  }

  function unlock(form) {
    locked.delete(form);
    buttons(form).forEach((button) => button.removeAttribute("aria-disabled"));
  }

  function refuse(event) {
    if (locked.has(event.target)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }

  window.addEventListener("submit", refuse, true);

  // Work is a request, the part of the page that will change, and what somebody did to start it.

  const shown = new Set();

  function begin(target, { form, button, announced }) {
    const work = { target, form, button, announced };
    if (form) {
      lock(form);
    }
    work.start = setTimeout(() => {
      shown.add(work);
      document.body.classList.add("qs-busy");
      target.setAttribute("aria-busy", "true");
      button?.classList.add("qs-working");
      if (announced) {
        announce(working);
      }
    }, DELAY);
    return work;
  }

  function end(work) {
    clearTimeout(work.start);
    clearTimeout(work.stop);
    if (work.form) {
      unlock(work.form);
    }
    shown.delete(work);
    document.body.classList.toggle("qs-busy", shown.size > 0);
    work.target.removeAttribute("aria-busy");
    work.button?.classList.remove("qs-working");
    if (work.announced && region.textContent === working) {
      announce();
    }
  }

  // The browser replaces the page, or doesn't: after "Stop", an error, or a return to this page.

  const leaving = new Set();

  function leave(work) {
    leaving.add(work);
    work.stop = setTimeout(() => end(work), STOPPED);
  }

  function stay() {
    leaving.forEach(end);
    leaving.clear();
  }

  window.navigation?.addEventListener("navigateerror", stay);
  window.addEventListener("pageshow", (event) => event.persisted && stay());

  window.addEventListener("submit", (event) => {
    const { target: form, submitter: button } = event;
    const setting = (name) => button?.getAttribute(`form${name}`) ?? form.getAttribute(name) ?? "";
    const posts = setting("method").toLowerCase() === "post";
    if (event.defaultPrevented || setting("method") === "dialog") {
      return;
    }
    if (form.hasAttribute("data-download") || !["", "_self"].includes(setting("target"))) {
      lock(form);
      setTimeout(() => unlock(form), DOUBLE_CLICK);
    } else {
      leave(begin(form, { form: posts ? form : null, button, announced: true }));
    }
  });

  // HTMX

  const requests = new Map();

  document.addEventListener("htmx:beforeSend", ({ detail: { xhr, elt, target, requestConfig } }) => {
    const { triggeringEvent: event, verb } = requestConfig;
    const announced = ["change", "click", "submit"].includes(event?.type);
    const sends = verb !== "get" && ["click", "submit"].includes(event?.type);
    const form = sends ? elt.closest("form") : null;
    const button = event?.submitter ?? (elt.matches("button") ? elt : null);
    if (announced) {
      announce();
    }
    requests.set(xhr, begin(target, { form, button, announced }));
  });

  document.addEventListener("htmx:afterRequest", ({ detail: { xhr } }) => {
    const work = requests.get(xhr);
    requests.delete(xhr);
    if (["HX-Redirect", "HX-Refresh"].some((name) => xhr.getResponseHeader(name))) {
      leave(work);
    } else {
      end(work);
    }
  });

  // A swap removes the focused element and its focus. The other page of a list begins at its top.

  const regionsWithFocus = new Set();

  document.addEventListener("htmx:beforeRequest", ({ detail: { target } }) => {
    if (target.id && target.contains(document.activeElement)) {
      regionsWithFocus.add(target.id);
    }
  });

  document.addEventListener("htmx:afterSettle", ({ detail: { target, requestConfig } }) => {
    const part = document.getElementById(target.id);
    if (!part) {
      return;
    }
    const result = part.querySelector("[data-announce]");
    const lost = [document.body, document.documentElement, null].includes(document.activeElement);
    const paged = requestConfig?.elt.matches("[rel=next], [rel=prev]");
    if (regionsWithFocus.delete(part.id) && (lost || paged)) {
      const next = part.querySelector("[aria-invalid=true]") ?? part.querySelector("h1, h2") ?? part;
      if (!next.matches("input, select, textarea")) {
        next.tabIndex = -1;
      }
      next.focus();
    }
    if (result) {
      announce(result.textContent.trim());
    }
  });

  // Moments in the time zone of the reader, of which the site knows nothing. A day has no time, and
  // stays as the site's time zone has it: docs/decisions/time-zones.md.

  const language = (document.documentElement.lang || navigator.language).replace("_", "-");
  const format = (options) => new Intl.DateTimeFormat(`${language}-u-ca-gregory-nu-latn`, options);
  const short = format({ dateStyle: "medium", timeStyle: "short" });
  const long = format({ dateStyle: "full", timeStyle: "long" });

  function localise() {
    for (const time of document.querySelectorAll("time[datetime*=T]:not([title])")) {
      const moment = new Date(time.dateTime);
      const zone = long.formatToParts(moment).find(({ type }) => type === "timeZoneName");
      time.dataset.zone = zone.value;
      time.textContent = short.format(moment);
      time.title = long.format(moment);
    }
  }

  // The headings of the days in a list follow its moments into the reader's time zone.

  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const date = format({ dateStyle: "medium" });

  function dayName(moment) {
    const midnight = (day) => Date.UTC(day.getFullYear(), day.getMonth(), day.getDate());
    const ago = (midnight(new Date()) - midnight(moment)) / 86400000;
    const name = ago === 0 || ago === 1 ? relative.format(-ago, "day") : date.format(moment);
    return name.charAt(0).toLocaleUpperCase(language) + name.slice(1);
  }

  function group() {
    for (const heading of document.querySelectorAll(".qs-day-row:first-child")) {
      const body = heading.parentElement;
      body.querySelectorAll(".qs-day-row").forEach((row) => row.remove());
      let last = "";
      for (const time of body.querySelectorAll("tr time[datetime*=T]")) {
        const name = dayName(new Date(time.dateTime));
        if (name !== last) {
          const row = heading.cloneNode(true);
          row.firstElementChild.textContent = name;
          time.closest("tr").before(row);
          last = name;
        }
      }
    }
  }

  localise();
  group();
  document.addEventListener("htmx:load", group);
  document.addEventListener("htmx:load", localise);
})();
