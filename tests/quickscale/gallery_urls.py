"""The page of elements, which the apps mount only while ``DEBUG`` is on."""

from __future__ import annotations

from django.urls import path

from quickscale.internal.gallery import GalleryView
from tests.projects.urls import urlpatterns as project_urls

urlpatterns = [path("elements/", GalleryView.as_view()), *project_urls]
