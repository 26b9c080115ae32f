"""Django's admin behind the site's own sign-in."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.functional import lazy
from django.views.decorators.cache import never_cache

from quickscale.internal.brand import brand_name


class AdminSite(admin.AdminSite):
    """An admin site without a sign-in form of its own, named after the brand.

    Visitors are sent to ``LOGIN_URL`` and back, so its rate limits, two-factor authentication and
    other protections also protect the admin. A user who isn't staff is refused (403), because
    Django's form would let such a user bypass all of that and sign in as somebody else.
    """

    site_header = lazy(brand_name, str)()
    site_title = lazy(brand_name, str)()

    @method_decorator([never_cache, login_not_required])
    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return response
