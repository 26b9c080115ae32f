// Rules for a page, each a function that returns what is wrong. The last value is their table.

(() => {
  const CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]";
  const NAVIGATION = "nav, footer, form, button, input, .button, body > header, body > aside";

  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const named = (element) => element.outerHTML.replace(/\s+/g, " ").slice(0, 160);
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown);

  const controls = () =>
    all(CONTROLS).filter((element) => {
      const group = element.type === "radio" && `[type=radio][name="${element.name}"]`;
      const first = group && (document.querySelector(`${group}:checked`) ?? document.querySelector(group));
      return element.tabIndex >= 0 && !element.matches(":disabled") && (!group || element === first);
    });

  const fixed = () =>
    all("body *").filter((element) => /fixed|sticky/.test(getComputedStyle(element).position));

  const look = (element) => {
    const { outline, boxShadow } = getComputedStyle(element);
    return outline + boxShadow;
  };

  const luminance = (colour) => {
    const [red, green, blue] = colour.match(/[\d.]+/g).map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };

  const hasText = (element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());

  // Ends each transition, since the end of one starts those of the elements inside.
  const settle = () => {
    const passing = () =>
      document.getAnimations().filter((each) => each.effect.getTiming().iterations !== Infinity);
    for (let found = passing(); found.length; found = passing()) {
      found.forEach((each) => each.finish());
    }
    return [];
  };

  const wide = () => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return all("body *")
      .filter((element) => element.getBoundingClientRect().right > width + 1)
      .map((element) => `wider than the window: ${named(element)}`);
  };

  const cut = () =>
    all("main :is(td, th, bdi, a, button, input:not([tabindex]), h1, h2, p)")
      .filter((element) => {
        const box = element.getBoundingClientRect();
        const around = element.closest(".table-container, .tabs, .box, main").getBoundingClientRect();
        const outside = box.right > around.right + 1 || box.left < around.left - 1;
        return box.width > 1 && !element.closest("thead") && outside;
      })
      .map((element) => `cut off: ${named(element)}`);

  const bars = () =>
    fixed()
      .filter((element) => element.offsetHeight > innerHeight / 3)
      .map((element) => `takes more than a third of the height: ${named(element)}`);

  // Backwards, since a control that scrolls in at the top may end below a bar.
  const covered = () =>
    controls()
      .reverse()
      .filter((element) => {
        element.focus();
        const box = element.getBoundingClientRect();
        const [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, innerHeight)];
        const spots = [0.1, 0.5, 0.9].map((part) => top + 1 + part * (bottom - top - 2));
        return !spots.some((y) => {
          const found = document.elementFromPoint((box.left + box.right) / 2, y);
          return found && (element.contains(found) || found.contains(element) || found.labels);
        });
      })
      .map((element) => `covered when it has the focus: ${named(element)}`);

  const paper = () => [
    ...all(NAVIGATION).map((element) => `printed: ${named(element)}`),
    ...(all("h1").length ? [] : ["prints no heading"]),
    ...all("body *")
      .filter(hasText)
      .filter((element) => luminance(getComputedStyle(element).color) > 0.3)
      .map((element) => `too light for paper: ${named(element)}`),
  ];

  // The test presses Tab between the two.
  const visited = new Map();
  const start = () => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    const before = new Map(controls().map((element) => [element, look(element)]));
    document.addEventListener("focusin", ({ target }) => {
      if (!visited.has(target)) visited.set(target, look(target) !== before.get(target));
    });
    const parts = all("input[type=date]").length * 3;
    return before.size + parts;
  };
  const end = () => {
    const order = [...visited.keys()];
    const expected = controls();
    const reached = order.filter((element) => expected.includes(element));
    const missed = expected.filter((element) => !visited.has(element));
    const plain = reached.filter((element) => !visited.get(element));
    return [
      ...(order[0]?.matches(".qs-skip-link") ? [] : ["the first Tab does not reach the skip link"]),
      ...missed.map((element) => `Tab does not reach ${named(element)}`),
      ...plain.map((element) => `no sign of the focus on ${named(element)}`),
    ];
  };

  const works = (form) =>
    [...form.elements].some((element) => element.type === "submit" && shown(element));

  const without = () => [
    ...(all("main h1").length ? [] : ["no heading"]),
    ...all("form").filter((form) => !works(form)).map((form) => `cannot be sent: ${named(form)}`),
    ...all("a[href='#'], a[href=''], a:not([href])").map((link) => `leads nowhere: ${named(link)}`),
    ...all("button")
      .filter((button) => button.type === "button" || !button.form)
      .map((button) => `does nothing: ${named(button)}`),
    ...[...document.querySelectorAll("[x-cloak]")]
      .filter((element) => element.innerText?.trim() && !element.matches("button"))
      .map((element) => `hidden for ever: ${named(element)}`),
    ...all("[aria-busy=true], .is-skeleton, [class*=skeleton]").map(
      (element) => `waits for ever: ${named(element)}`,
    ),
    ...all("[hx-trigger~=load]")
      .filter((element) => !element.innerText.trim())
      .map((element) => `never loads: ${named(element)}`),
  ];

  const rules = { settle, wide, cut, bars, covered, paper, start, end, without };
  window.walk = (...names) => names.flatMap((name) => rules[name]());
})();
