"""Style sheets for the brand, which ``QUICKSCALE_BRAND`` with a colour or a font needs."""

from __future__ import annotations

from django.urls import path

from quickscale.views import BrandStylesView

app_name = "quickscale"
urlpatterns = [
    path("brand.css", BrandStylesView.as_view(), name="brand_pages"),
    path("brand-admin.css", BrandStylesView.as_view(sheet="admin"), name="brand_admin"),
]
