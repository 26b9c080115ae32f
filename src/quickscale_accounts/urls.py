from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, path

from quickscale_accounts.pages import views

app_name = "quickscale_accounts"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.OverviewView.as_view(), name="overview"),
]

if settings.DEBUG:
    urlpatterns += [
        path("mails/", views.MailSamplesView.as_view(), name="mail_samples"),
        path("mails/<path:name>/", views.MailSampleView.as_view(), name="mail_sample"),
    ]
