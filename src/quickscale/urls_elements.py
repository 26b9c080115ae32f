"""A page that shows every element, to look at while you work on a site; only if ``DEBUG`` is on."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, path

from quickscale.internal.gallery import GalleryView

app_name = "quickscale_elements"
urlpatterns: list[URLPattern] = []

if settings.DEBUG:
    urlpatterns += [path("", GalleryView.as_view(), name="gallery")]
