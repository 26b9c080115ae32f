"""The rules of the walk find what is wrong with a careless page."""

from __future__ import annotations

import pytest

from tests.browser import BrowserPages
from tests.walk.pages import RULES, broken, broken_by_keyboard

pytestmark = pytest.mark.browser

CARELESS = """<!DOCTYPE html><html lang="en"><title>Careless</title><style>
  nav { position: fixed; inset: 0 0 auto; height: 200px; background: white; z-index: 1; }
  a:focus { outline: none; } h1 { color: silver; } p { width: 900px; }
</style><body><nav>Bar</nav><main>
  <h1>Careless</h1><p>Wide</p><div x-cloak hidden>x</div><div class="skeleton">Loading</div>
  <a href="#">Nowhere</a><button type="button">Nothing</button><form><input></form>
  <div hx-get="/" hx-trigger="load"></div><a href="/last" tabindex="1">First</a>
</main>"""


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("wide", ["wider than the window: <p>"]),
        ("cut", ["cut off: <p>"]),
        ("bars", ["takes more than a third of the height: <nav>"]),
        ("covered", ['covered when it has the focus: <a href="#">']),
        ("paper", ["printed: <nav>", "printed: <button", "too light for paper: <h1>"]),
        (
            "without",
            [
                "cannot be sent: <form>",
                "leads nowhere: <a",
                "does nothing: <button",
                "waits for ever: <div",
                "never loads: <div",
            ],
        ),
    ],
)
def test_a_rule_finds_what_is_wrong(browser_page: BrowserPages, rule: str, told: list[str]) -> None:
    page = browser_page(width=320, height=256)
    page.set_content(CARELESS)
    page.evaluate(RULES)
    found = "\n".join(broken(page, rule, where="here"))
    for problem in told:
        assert f"here: {problem}" in found


def test_the_keyboard_finds_what_is_wrong(browser_page: BrowserPages) -> None:
    page = browser_page()
    page.set_content(CARELESS + '<a class="qs-skip-link" href="#nowhere">Skip</a>')
    page.evaluate(RULES)
    found = "\n".join(broken_by_keyboard(page))
    assert "the first Tab does not reach the skip link" in found
    assert 'Tab does not reach <a href="/last" tabindex="1">' in found
    assert "no sign of the focus on <a" in found
    assert "does not lead to the content" in found
