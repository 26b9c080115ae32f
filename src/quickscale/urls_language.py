"""The choice of a language. Where it is mounted, the dashboard's shell has a menu of languages."""

from __future__ import annotations

from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.i18n import set_language

app_name = "quickscale_language"
urlpatterns = [
    # A token would give a cookie to all visitors, and another site can change no more than this.
    path("", csrf_exempt(set_language), name="set_language"),
]
