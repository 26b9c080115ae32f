from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from letters.views import LongHistoryView

urlpatterns = [
    path("", include("letters.urls")),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    # QuickScale's pages at the site's choice of URLs; a pattern before an include replaces a view.
    path("account/credits/history/", LongHistoryView.as_view()),
    path("account/credits/", include("quickscale_credits.urls")),
    path("account/", include("quickscale_stripe.urls")),
    path("services/", include("quickscale_credits.urls_services")),
    path("stripe/", include("quickscale_stripe.urls_webhook")),
    path("account/", include("quickscale_dashboard.urls")),
    path("", include("quickscale_dashboard.urls_health")),
    path("quickscale/", include("quickscale.urls")),
]
