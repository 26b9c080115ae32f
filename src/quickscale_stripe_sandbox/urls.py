"""The sandbox within the site: the API and the hosted pages, under one prefix."""

from __future__ import annotations

from django.urls import path

from quickscale_stripe_sandbox.views import SandboxView

app_name = "quickscale_stripe_sandbox"
urlpatterns = [path("<path:target>", SandboxView.as_view(), name="page")]
