from __future__ import annotations

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.http import HttpResponse
from django.urls import include, path

from quickscale_dashboard.pages.views import AboutView

OURS = "quickscale.csp.PagePolicyMiddleware"
SITES = {"DIRECTIVES": {"default-src": ["https:", "'unsafe-inline'"]}}
WITHOUT = [name for name in django_settings.MIDDLEWARE if not name.startswith("csp.")]
WITH_THE_SITES = ["csp.middleware.CSPMiddleware", *WITHOUT]


def sites_page(request):
    return HttpResponse("the site's own")


def strict(request):
    return HttpResponse(headers={"Content-Security-Policy": "default-src 'none'"})


strict.__module__ = "quickscale_somewhere.views"

urlpatterns = [
    path("", sites_page),
    path("strict/", strict),
    path("about/", AboutView.as_view()),
    path("accounts/", include("allauth.urls")),
]


@pytest.fixture
def policies(client, settings, db):
    settings.ROOT_URLCONF = __name__

    def sent(*paths):
        return [client.get(path).get("Content-Security-Policy") for path in paths]

    return sent


def test_our_pages_have_a_policy_and_the_sites_pages_do_not(policies, settings):
    settings.MIDDLEWARE = [*WITHOUT, OURS]
    own, about, login, missing, strict = policies(
        "/", "/about/", "/accounts/login/", "/missing/", "/strict/"
    )
    assert own is missing is None
    assert about == login
    assert about == (
        "default-src 'self'; base-uri 'self'; "
        "form-action 'self' https://checkout.stripe.com https://billing.stripe.com; "
        "frame-ancestors 'none'; img-src 'self' data:; object-src 'none'"
    )
    assert strict == "default-src 'none'"


def test_a_sites_policy_stays_on_the_sites_pages(policies, settings):
    settings.MIDDLEWARE = [*WITH_THE_SITES, OURS]
    settings.CONTENT_SECURITY_POLICY = SITES
    settings.QUICKSCALE_CONTENT_SECURITY_POLICY = {"default-src": ["'self'", "cdn.example"]}
    assert policies("/", "/about/") == [
        "default-src https: 'unsafe-inline'",
        "default-src 'self' cdn.example",
    ]


def test_a_policy_for_our_pages_satisfies_the_check(settings):
    settings.MIDDLEWARE = [*WITHOUT, OURS]
    found = {m.id for m in run_checks(include_deployment_checks=True)}
    assert "quickscale_dashboard.W001" not in found


def test_our_pages_may_not_use_the_camera_and_the_sites_pages_may(client, settings, db):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [*WITHOUT, "quickscale.middleware.PermissionsPolicyMiddleware"]
    assert "camera=()" in client.get("/about/")["Permissions-Policy"]
    assert "Permissions-Policy" not in client.get("/")
