from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, URLResolver, path

from quickscale_accounts.pages import mails, views

app_name = "quickscale_accounts"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.OverviewView.as_view(), name="overview"),
]

if settings.DEBUG:
    urlpatterns += [
        path("mails/", mails.MailSamplesView.as_view(), name="mail_samples"),
        path(
            "mails/<path:name>/html/<slug:scheme>/",
            mails.MailSampleHTMLView.as_view(),
            name="mail_sample_html",
        ),
        path("mails/<path:name>/", mails.MailSampleView.as_view(), name="mail_sample"),
    ]
