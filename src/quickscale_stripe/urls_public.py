"""The page with the prices, which visitors can read."""

from __future__ import annotations

from django.urls import path

from quickscale_stripe.pages import pricing

app_name = "quickscale_stripe_public"
urlpatterns = [
    path("pricing/", pricing.PricingView.as_view(), name="pricing"),
]
