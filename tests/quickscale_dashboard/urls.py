"""The dashboard's URLs, and views that only tests need."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path

PAGE = """
{% extends "base.html" %}
{% block title %}Probe of {{ block.super }}{% endblock %}
{% block social_image %}/static/card.png{% endblock %}
{% block content %}<h1>Probe</h1><div id="target"></div>{% endblock %}
"""


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def suspicious(request: HttpRequest) -> HttpResponse:
    raise SuspiciousOperation("odd")


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


def fragment(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Three <credits> were used.")
    response = HttpResponse("<p>Done</p>")
    for name in ("HX-Trigger", "HX-Redirect"):
        if name in request.GET:
            response[name] = request.GET[name]
    return response


def careless(request: HttpRequest) -> HttpResponse:
    """A page that does everything that a page must not do."""
    return HttpResponse(
        '<!DOCTYPE html><html lang="en"><title>Careless</title>'
        '<link rel="icon" href="/static/quickscale_dashboard/mark.svg">'
        '<script>console.error("inline")</script><script src="/careless.js"></script>'
        '<p style="color: red">Red</p>'
        '<img src="/static/quickscale_dashboard/mark.svg" width="5000">'
    )


def careless_script(request: HttpRequest) -> HttpResponse:
    return HttpResponse('console.error("an expected line"); missing();', "text/javascript")


urlpatterns = [
    path("careless/", careless),
    path("careless.js", careless_script),
    path("broken/", broken),
    path("forbidden/", forbidden),
    path("suspicious/", suspicious),
    path("fragment/", fragment, name="fragment"),
    path("login/", page, name="login"),
    path("login/", page, name="account_login"),
    path("page/", page, name="page"),
    path("page/below/", page, name="page-below"),
    path("dashboard/", include("quickscale_dashboard.urls")),
    path("", include("quickscale_dashboard.urls_health")),
    path("", include("quickscale_dashboard.urls_public")),
]
