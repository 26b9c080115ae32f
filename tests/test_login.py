"""When a session has ended, people sign in and return to the page that they saw."""

from __future__ import annotations

from importlib import import_module
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin
from django.http import HttpResponse
from django.shortcuts import redirect, resolve_url
from django.test import override_settings
from django.urls import path, reverse
from django.views import View
from django.views.decorators.http import require_POST

from quickscale_accounts.testing import UserFactory
from quickscale_credits.metering import metered
from tests.addresses import addresses
from tests.markup import problems_of_page

pytestmark = pytest.mark.django_db

PAGE = "/dashboard/credits/history/?kind=spend"
BY_HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{PAGE}"}
MIDDLEWARE = [name for name in django_settings.MIDDLEWARE if "LoginRedirect" not in name]


class Page(LoginRequiredMixin, View):
    def get(self, request):
        return HttpResponse("members only")


class Part(PermissionRequiredMixin, View):
    permission_required = "users.view_user"


@login_required(login_url="/elsewhere/")
@require_POST
def form_target(request):
    return HttpResponse("sent")


@metered("work")
def work(request):
    return HttpResponse("worked")


SITES_OWN = ["/own/page/", "/own/part/", "/own/form/", "/own/work/"]


class Urls:
    urlpatterns = [
        *import_module(django_settings.ROOT_URLCONF).urlpatterns,
        path("own/page/", Page.as_view()),
        path("own/part/", Part.as_view()),
        path("own/form/", form_target),
        path("own/work/", work),
        path("own/redirect/", lambda request: redirect("account_login")),
        path("own/other/", lambda request: redirect("/about/")),
    ]


def login_page():
    return resolve_url(django_settings.LOGIN_URL)


def target_of(url):
    parts = urlsplit(url)
    return parts.path, parse_qs(parts.query).get("next")


def assert_sent_to_login(response, back_to=PAGE, login=None):
    assert response.status_code == 204
    assert target_of(response["HX-Redirect"]) == (login or login_page(), [back_to])
    assert response["HX-Trigger"] == "session-ended"
    assert "Location" not in response


@override_settings(MIDDLEWARE=MIDDLEWARE)
def test_no_view_of_ours_lets_htmx_swap_the_sign_in_into_a_page(client):
    """This also holds without the middleware, which a site has to add."""
    guarded = set()
    for url, view in sorted(set(addresses())):
        for method in (client.get, client.post):
            response = method(url, headers=BY_HTMX)
            if "HX-Redirect" in response:
                assert_sent_to_login(response)
                guarded.add(url)
            elif not view.startswith("allauth") and not url.startswith("/admin/"):
                assert target_of(response.get("Location", ""))[0] != login_page(), url
    assert len(guarded) > 20


def test_nor_does_allauth_with_the_middleware(client):
    for url, _view in sorted(set(addresses())):
        response = client.get(url, headers=BY_HTMX)
        assert target_of(response.get("Location", ""))[0] != login_page(), url


@pytest.mark.parametrize("url", SITES_OWN)
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_sites_own_views_send_htmx_to_the_sign_in(client, settings, url, method):
    settings.ROOT_URLCONF = Urls
    response = getattr(client, method)(url, headers=BY_HTMX)
    assert_sent_to_login(response, login="/elsewhere/" if "form" in url else None)


def test_a_bare_redirect_to_the_sign_in_is_not_a_fragment(client, settings):
    settings.ROOT_URLCONF = Urls
    response = client.get("/own/redirect/", headers=BY_HTMX)
    assert (response.status_code, response["HX-Redirect"]) == (204, login_page())
    assert client.get("/own/other/", headers=BY_HTMX).url == "/about/"
    assert client.get("/own/redirect/").url == login_page()


@pytest.mark.parametrize(
    ("current", "back"),
    [
        ("http://testserver/services/?page=2#result", ["/services/?page=2"]),
        ("https://evil.example/services/", None),
        ("//evil.example/services/", None),
        ("javascript:alert(1)", None),
        ("", None),
    ],
)
def test_people_return_only_to_a_page_of_this_site(client, current, back):
    headers = {"HX-Request": "true", "HX-Current-URL": current}
    response = client.get(reverse("quickscale_dashboard:dashboard"), headers=headers)
    assert target_of(response["HX-Redirect"]) == (login_page(), back)


def test_a_page_that_htmx_shows_in_full_is_redirected_as_by_a_link(client):
    response = client.get(
        reverse("quickscale_credits:balance"), headers={**BY_HTMX, "HX-Boosted": "true"}
    )
    assert target_of(response.url) == (login_page(), [reverse("quickscale_credits:balance")])


def test_cookies_of_the_answer_are_kept(client, settings):
    settings.ROOT_URLCONF = Urls
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.remember"]
    response = client.get("/own/page/", headers=BY_HTMX)
    assert response.cookies["seen"].value == "yes"


def remember(get_response):
    def middleware(request):
        response = get_response(request)
        response.set_cookie("seen", "yes")
        return response

    return middleware


FORMS = {
    "checkout": "buy_credits",
    "subscribe": "plans",
    "keep_plan": "subscription",
    "cancel": "subscription",
    "reactivate": "subscription",
    "billing_portal": "billing",
    "add_payment_method": "billing",
}


@pytest.mark.parametrize(("form", "page"), FORMS.items())
def test_a_form_that_is_sent_without_a_session_leads_back_to_its_page(client, settings, form, page):
    settings.QUICKSCALE_STRIPE_SECRET_KEY = "sk_test_x"
    form, page = reverse(f"quickscale_stripe:{form}"), reverse(f"quickscale_stripe:{page}")
    referer = {"Referer": f"http://testserver{page}?a=b"}
    assert target_of(client.post(form, headers=referer).url) == (login_page(), [f"{page}?a=b"])

    # Without a Referer people return to the form's own address, which leads to the page.
    assert target_of(client.post(form).url) == (login_page(), [form])
    client.force_login(UserFactory())
    assert client.get(form).url == page


def test_a_link_leads_back_to_itself(client, settings):
    settings.ROOT_URLCONF = Urls
    for url in ("/own/page/?a=b", f"{reverse('quickscale_credits:history')}?kind=spend"):
        response = client.get(url, headers={"Referer": "http://testserver/"})
        assert target_of(response.url) == (login_page(), [url])


def test_a_url_that_takes_no_get_has_a_page_that_says_so(client, settings):
    settings.ROOT_URLCONF = Urls
    client.force_login(UserFactory())
    response = client.get("/own/form/")
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert "This address only takes forms" in response.text
    assert problems_of_page(response.text) == []
    assert client.get("/own/form/", headers={"Accept": "application/json"}).content == b""
    assert client.get("/own/form/", headers=BY_HTMX).content == b""


def test_a_site_without_a_405_page_keeps_djangos(client, settings, tmp_path):
    settings.ROOT_URLCONF = Urls
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    client.force_login(UserFactory())
    response = client.get("/own/form/")
    assert (response.status_code, response.content) == (405, b"")
