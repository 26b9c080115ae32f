"""No sign-in form of the site bypasses rate limits and two-factor authentication."""

from __future__ import annotations

import pytest
from allauth.account.decorators import secure_admin_login
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.core.checks import run_checks
from django.http import HttpResponse
from django.urls import include, path, reverse

from quickscale_accounts.admin_site import AdminSite
from quickscale_accounts.testing import UserFactory

UNGUARDED = "quickscale_accounts.W007"
PASSWORD = "correct horse battery"


@pytest.fixture
def boss(db):
    return get_user_model().objects.create_superuser("boss@example.com", PASSWORD)


def sign_in(client, password, url="/admin/"):
    """Open the admin, and send the sign-in form to which it leads."""
    form = client.get(url, follow=True)
    data = {"login": "boss@example.com", "username": "boss@example.com", "password": password}
    return client.post(form.request["PATH_INFO"], {**data, "next": url})


def signed_in(client):
    return "_auth_user_id" in client.session


def test_staff_reach_the_admin_by_the_sites_sign_in(client, boss):
    response = sign_in(client, PASSWORD)
    assert response.url == "/admin/"
    page = client.get("/admin/")
    assert page.status_code == 200
    assert "<title>Site administration | QuickScale</title>" in page.text
    assert "Django administration" not in page.text


def test_twenty_wrong_passwords_at_the_admin_are_too_many(client, boss):
    statuses = [sign_in(client, "wrong").status_code for _ in range(20)]
    assert statuses == [200] * 5 + [429] * 15
    assert sign_in(client, PASSWORD).status_code == 429
    assert not signed_in(client)


@pytest.mark.parametrize("url", ["/admin/", "/admin/login/", "/dashboard/"])
def test_a_password_alone_is_not_enough_with_two_factors(client, boss, url):
    TOTP.activate(boss, generate_totp_secret())
    response = sign_in(client, PASSWORD, url)
    assert response.url.startswith(reverse("mfa_authenticate"))
    assert not signed_in(client)
    # A request to the admin itself signs nobody in.
    client.post("/admin/login/", {"username": boss.email, "password": PASSWORD})
    assert not signed_in(client)


def test_a_customer_cannot_sign_in_as_staff_in_the_admin(client, boss):
    customer = UserFactory()
    client.force_login(customer)
    data = {"username": boss.email, "password": PASSWORD, "next": "/admin/"}
    assert client.post("/admin/login/", data).status_code == 403
    assert client.session["_auth_user_id"] == str(customer.pk)


def ids(**options):
    return [m.id for m in run_checks(**options) if m.id == UNGUARDED]


def site_of(login=None, kind=admin.AdminSite):
    site = kind(name="other")
    if login:
        site.login = login(site.login)
    return site


def late():
    """Return the URLs of a site whose sign-in is guarded too late, after they have been read."""
    site = admin.AdminSite(name="late")
    urls = site.urls
    site.login = secure_admin_login(site.login)
    return urls


class OwnForm(admin.AdminSite):
    def login(self, request, extra_context=None):
        return super().login(request, extra_context)


class Odd(admin.AdminSite):
    def login(self, request, extra_context=None):
        return HttpResponse(status=request.nothing_of_the_kind)


@pytest.mark.parametrize(
    ("urls", "guarded"),
    [
        (site_of().urls, False),
        (late(), False),
        (site_of(login_required).urls, False),
        (site_of(kind=OwnForm).urls, False),
        (site_of(secure_admin_login).urls, True),
        (site_of(kind=AdminSite).urls, True),
        (site_of(kind=Odd).urls, True),
        (LoginView.as_view(), False),
        (include("django.contrib.auth.urls"), False),
        (include("allauth.urls"), True),
    ],
    ids=[
        "Django's admin",
        "guarded too late",
        "login_required",
        "a form of its own",
        "guarded by allauth's decorator",
        "ours",
        "nobody knows",
        "Django's view",
        "Django's URLs",
        "allauth's",
    ],
)
def test_a_form_that_bypasses_allauth_is_reported(settings, urls, guarded):
    class Urls:
        urlpatterns = [
            path("accounts/", include("allauth.urls")),
            path("below/", include([path("here/", urls)])),
        ]

    settings.ROOT_URLCONF = Urls
    assert ids() == ([] if guarded else [UNGUARDED])
