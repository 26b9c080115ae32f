from __future__ import annotations

from django.urls import URLPattern, URLResolver

app_name = "quickscale_accounts"
urlpatterns: list[URLPattern | URLResolver] = []
