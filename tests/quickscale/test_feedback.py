"""Pages show work that takes time, and a form is sent once, in the shell and without it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser import BrowserPages, assert_accessible
from tests.looks import site_of

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
]

PAGE = """
{% extends "quickscale/base.html" %}
{% load quickscale_elements %}
{% block quickscale_title %}Forms{% endblock %}
{% block quickscale_content %}
  <h1>Forms</h1>
  <form id="plain" method="post" action="/sent/">
    {% csrf_token %}
    {% element "button" name="way" value="fast" primary=True %}Send{% endelement %}
    {% element "button" name="way" value="slow" %}Send slowly{% endelement %}
  </form>
  {% element "button" form="plain" name="way" value="outside" %}Send from outside{% endelement %}
  <form id="search" action="/sent/">{% element "button" %}Search{% endelement %}</form>
  <form id="file" method="post" action="/file/" data-download>
    {% csrf_token %}{% element "button" %}Download{% endelement %}
  </form>
  <form id="refused" method="post" action="/sent/">
    {% csrf_token %}{% element "button" %}Refused{% endelement %}
  </form>
  <form id="live" hx-post="/sent/" hx-target="#target">
    {% csrf_token %}
    <label>Text <input name="text" hx-post="/sent/" hx-target="#quote" hx-trigger="input"></label>
    {% element "button" name="way" value="live" primary=True %}Send live{% endelement %}
  </form>
  <p id="quote"></p>
  <div id="target"></div>
{% endblock %}
"""

sent: list[dict[str, Any]] = []
delays: list[float] = []


def forms(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


def take(request: HttpRequest) -> HttpResponse:
    time.sleep(delays.pop() if delays else 0)
    sent.append(request.POST.dict() or request.GET.dict())
    return HttpResponse("<!DOCTYPE html><title>Sent</title><p>Taken</p>")


def file(request: HttpRequest) -> HttpResponse:
    sent.append(request.POST.dict())
    return HttpResponse("a,b", headers={"Content-Disposition": 'attachment; filename="a.csv"'})


urlpatterns = [
    path("forms/", forms),
    path("sent/", take),
    path("file/", file),
    path("", include("tests.quickscale_dashboard.urls")),
]


class Held:
    """Requests that the network holds back."""

    def __init__(self, page: Page, pattern: str = "**/sent/**") -> None:
        self.page = page
        self.routes: list[Route] = []
        page.route(pattern, lambda route: self.routes.append(route))

    def wait(self) -> Route:
        """Wait for a request, and then as long as it takes to be shown."""
        for _ in range(100):
            if self.routes:
                break
            self.page.wait_for_timeout(20)
        self.page.wait_for_timeout(400)
        return self.routes[-1]


STATE = """name => {
  const buttons = [...document.querySelectorAll("button")];
  const text = (each) => each.textContent.trim();
  const button = buttons.find((each) => text(each) === name);
  const { width, height } = button.getBoundingClientRect();
  return {
    busy: document.body.classList.contains("qs-busy"),
    target: document.querySelector("[aria-busy=true]")?.id ?? "",
    told: document.getElementById("announcement").textContent,
    locked: buttons.filter((each) => each.ariaDisabled === "true").map(text),
    spinner: getComputedStyle(button, "::after").animationName,
    focused: document.activeElement === button,
    size: [width, height],
  };
}"""


NOTHING = {
    "busy": False,
    "target": "",
    "told": "",
    "locked": [],
    "spinner": "none",
    "focused": False,
    "size": 0,
}


def state(page: Page, button: str = "Send") -> dict[str, Any]:
    """Return what the page shows."""
    found: dict[str, Any] = page.evaluate(STATE, button)
    return found


# Playwright waits until a page that is being left is gone. So the page looks at itself.
WATCH = f"""([name, again]) => {{
  const then = () => {{ THEN }};
  const state = {STATE};
  const buttons = [...document.querySelectorAll("button")];
  const press = (text) => buttons.find((b) => b.textContent.trim() === text)?.click();
  setTimeout(() => press(name), 0);
  setTimeout(() => press(again), 100);
  setTimeout(() => {{
    press(again);
    sessionStorage.setItem("then", JSON.stringify(state(name)));
    then();
  }}, 600);
  setTimeout(() => sessionStorage.setItem("later", JSON.stringify(state(name))), 700);
}}"""


def press_slowly(page: Page, name: str, then: str = "", again: str = "") -> tuple[Any, Any]:
    """Press a button and others of its form, and return what the page shows before and after
    the code ``then`` is run."""
    delays[:] = [1.2, 1.2]
    page.evaluate(WATCH.replace("THEN", then), [name, again])
    page.wait_for_timeout(2000)
    return tuple(
        json.loads(page.evaluate(f"sessionStorage.getItem('{when}')")) for when in ("then", "later")
    )


def press(page: Page, name: str) -> None:
    """Press a button twice, as people do, without waiting for what it does."""
    box = page.get_by_role("button", name=name, exact=True).bounding_box()
    assert box
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.fixture(autouse=True)
def nothing_sent() -> None:
    sent.clear()
    delays.clear()


@pytest.fixture(params=["shell", "bootstrap3"])
def site(request: Any, settings: Any) -> Iterator[str]:
    if request.param == "shell":
        yield "shell"
    else:
        for _ in site_of(request.param, "plain", settings):
            yield request.param


@pytest.fixture
def page(site: str, live_server: LiveServer, browser_page: BrowserPages) -> Page:
    page = browser_page()
    page.goto(f"{live_server.url}/forms/")
    return page


def test_a_slow_form_is_shown_and_sent_once(page: Page) -> None:
    size = state(page, "Send slowly")["size"]
    shown, _ = press_slowly(page, "Send slowly", again="Send")
    assert shown == {
        "busy": True,
        "target": "plain",
        "told": "Working…",
        "locked": ["Send", "Send slowly", "Send from outside"],
        "spinner": "qs-working",
        "focused": False,
        "size": size,
    }
    expect(page.get_by_text("Taken")).to_be_visible()
    assert [fields["way"] for fields in sent] == ["slow"]


def test_a_quick_form_shows_nothing(page: Page) -> None:
    page.evaluate(
        """() => new MutationObserver(() => sessionStorage.setItem("busy", document.body.className))
          .observe(document.body, {attributes: true})"""
    )
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Taken")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('busy')") is None
    assert [fields["way"] for fields in sent] == ["fast"]


def test_a_search_is_shown_and_can_be_repeated(page: Page) -> None:
    shown, _ = press_slowly(page, "Search")
    assert shown["busy"]
    assert not shown["locked"]


def test_a_form_can_be_sent_again_after_the_return_to_its_page(page: Page) -> None:
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Taken")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Taken")).to_be_visible()
    assert len(sent) == 2


@pytest.mark.parametrize(
    "event",
    [
        "window.stop()",
        "window.dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))",
    ],
    ids=["stopped", "from the browser's memory"],
)
def test_a_page_that_stays_is_ready(page: Page, event: str) -> None:
    shown, later = press_slowly(page, "Send", then=event, again="Send")
    assert shown["busy"]
    assert later | {"size": 0} == NOTHING


def test_a_download_leaves_the_page_ready(page: Page) -> None:
    with page.expect_download():
        press(page, "Download")
    page.wait_for_timeout(1100)
    assert state(page)["locked"] == []
    assert not state(page)["busy"]
    assert len(sent) == 1


def test_a_form_that_a_script_stops_is_left_alone(page: Page) -> None:
    page.evaluate(
        "document.getElementById('refused').addEventListener('submit', (e) => e.preventDefault())"
    )
    page.get_by_role("button", name="Refused").click()
    page.wait_for_timeout(400)
    assert state(page)["locked"] == []
    assert not state(page)["busy"]


def test_reduced_motion_and_high_contrast_show_work(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page(reduced_motion="reduce", forced_colors="active")
    page.goto(f"{live_server.url}/forms/")
    held = Held(page)
    press(page, "Send live")
    held.wait()
    line = "getComputedStyle(document.body, '::before')"
    assert page.evaluate(f"{line}.animationName") == "none"
    assert page.evaluate(f"{line}.width") == "1280px"
    assert page.evaluate(f"{line}.height") == "2px"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert page.evaluate(f"{line}.backgroundColor") != ground


def test_htmx_sends_a_form_once_and_shows_it(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page()
    page.goto(f"{live_server.url}/forms/")
    held = Held(page)
    press(page, "Send live")
    route = held.wait()
    press(page, "Send live")

    shown = state(page, "Send live")
    assert shown | {"size": 0} == {
        "busy": True,
        "target": "target",
        "told": "Working…",
        "locked": ["Send live"],
        "spinner": "qs-working",
        "focused": True,
        "size": 0,
    }
    assert_accessible(page)

    route.continue_()
    expect(page.locator("#target")).to_have_text("Taken")
    assert state(page, "Send live") | {"size": 0} == NOTHING | {"focused": True}
    assert [fields["way"] for fields in sent] == ["live"]


def test_a_request_while_somebody_types_says_and_locks_nothing(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page()
    page.goto(f"{live_server.url}/forms/")
    held = Held(page)
    page.get_by_label("Text").press("a")
    held.wait()
    shown = state(page)
    assert shown["busy"]
    assert shown["target"] == "quote"
    assert not shown["told"]
    assert not shown["locked"]


@pytest.mark.parametrize("problem", ["offline", "error"])
def test_after_a_failure_htmx_can_send_the_form_again(
    live_server: LiveServer, browser_page: BrowserPages, problem: str
) -> None:
    page = browser_page(
        allow=("status of 500", "Status Error", "ERR_FAILED", "htmx:sendError", "htmx:afterRequest")
    )
    page.goto(f"{live_server.url}/forms/")
    held = Held(page)
    press(page, "Send live")
    route = held.wait()
    if problem == "offline":
        route.abort()
    else:
        route.fulfill(status=500)
    expect(page.get_by_role("alert")).to_contain_text("That did not work.")
    assert not state(page)["busy"]
    assert not state(page)["locked"]


def test_a_page_that_htmx_leaves_is_not_sent_again(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page()
    page.goto(f"{live_server.url}/forms/")
    page.route(
        "**/sent/",
        lambda route: sent.append({}) or route.fulfill(headers={"HX-Redirect": "/sent/?later"}),
    )
    shown, _ = press_slowly(page, "Send live", again="Send live")
    assert shown["busy"]
    assert len(sent) == 2  # the form, and the next page


MOMENTS = """
{% extends "quickscale/base.html" %}
{% load quickscale %}
{% block quickscale_content %}
  <h1>Moments</h1>
  <p id="moment">{{ at|moment }}</p><p id="day">{{ at|day }}</p><div id="target"></div>
{% endblock %}
"""
#: 19:19 in UTC is on the next day in Kiritimati.
AT = datetime(2026, 11, 28, 19, 19, 5, tzinfo=UTC)


def moments(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(MOMENTS).render({"at": AT}, request))


def later_moment(request: HttpRequest) -> HttpResponse:
    text = "{% load quickscale %}{{ at|moment }}"
    return HttpResponse(engines["django"].from_string(text).render({"at": AT}, request))


LIST = """
{% extends "quickscale/base.html" %}{% load quickscale %}
{% block quickscale_content %}<table><tbody>
{% for at in moments %}
  {% ifchanged at|day_name %}
    <tr class="qs-day-row"><th>{{ at|day_name }}</th></tr>
  {% endifchanged %}
  <tr><td>{{ at|moment }}</td></tr>
{% endfor %}
</tbody></table>{% endblock %}
"""


def list_of_days(request: HttpRequest) -> HttpResponse:
    moments = [AT, AT - timedelta(hours=14), AT - timedelta(hours=15)]
    return HttpResponse(engines["django"].from_string(LIST).render({"moments": moments}, request))


urlpatterns += [
    path("moments/", moments),
    path("later/", later_moment),
    path("list/", list_of_days),
]


@pytest.mark.parametrize(
    ("javascript", "names"),
    [(False, ["Nov. 28, 2026"]), (True, ["Today", "Yesterday"])],
    ids=["server", "reader"],
)
def test_days_have_headings_in_the_reader_s_time_zone(
    live_server: LiveServer, browser_page: BrowserPages, javascript: bool, names: list[str]
) -> None:
    page = browser_page(javascript=javascript, timezone_id="Pacific/Kiritimati")
    page.clock.set_fixed_time(AT)
    page.goto(f"{live_server.url}/list/")
    expect(page.locator(".qs-day-row")).to_have_text(names)
    expect(page.locator("tr").nth(0)).to_have_text(names[0])


def test_moments_are_in_the_reader_s_time_zone_and_days_stay(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page(timezone_id="Pacific/Kiritimati")
    page.goto(f"{live_server.url}/moments/")
    expect(page.locator("#moment")).to_have_text("Nov 29, 2026, 9:19 AM")
    expect(page.locator("#moment time")).to_have_attribute(
        "title", "Sunday, November 29, 2026 at 9:19:05 AM GMT+14"
    )
    expect(page.locator("#day")).to_have_text("Nov. 28, 2026")
    page.evaluate("htmx.ajax('GET', '/later/', '#target')")
    expect(page.locator("#target")).to_have_text("Nov 29, 2026, 9:19 AM")

    after = "e => getComputedStyle(e, '::after').content"
    assert page.locator("#moment time").evaluate(after) == "none"
    page.emulate_media(media="print")
    assert page.locator("#moment time").evaluate(after) == '" GMT+14"'
    assert page.locator("#day time").evaluate(after) == "none"


@pytest.mark.parametrize(
    ("language", "text"), [("de", "28.11.2026, 20:19"), ("ar", "28\u200f/11\u200f/2026، 8:19 م")]
)
def test_moments_are_in_the_language_of_the_page(
    live_server: LiveServer, browser_page: BrowserPages, settings: Any, language: str, text: str
) -> None:
    settings.LANGUAGE_CODE = language
    settings.LANGUAGES = [(language, language)]
    page = browser_page(timezone_id="Europe/Berlin", locale="en-US")
    page.goto(f"{live_server.url}/moments/")
    expect(page.locator("#moment")).to_have_text(text)


def test_without_javascript_a_moment_names_its_time_zone(
    live_server: LiveServer, browser_page: BrowserPages
) -> None:
    page = browser_page(javascript=False, timezone_id="Pacific/Kiritimati")
    page.goto(f"{live_server.url}/moments/")
    expect(page.locator("#moment")).to_have_text("Nov. 28, 2026, 7:19 p.m. UTC")
