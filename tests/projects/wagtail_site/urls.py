from __future__ import annotations

from django.urls import include, path
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls

from tests.projects.urls import urlpatterns as our_urls

urlpatterns = [
    *our_urls,
    path("cms/", include(wagtailadmin_urls)),
    path("", include(wagtail_urls)),
]
