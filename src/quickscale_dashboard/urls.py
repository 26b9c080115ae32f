from __future__ import annotations

from django.urls import URLPattern, URLResolver

app_name = "quickscale_dashboard"
urlpatterns: list[URLPattern | URLResolver] = []
