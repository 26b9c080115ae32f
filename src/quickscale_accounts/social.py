"""The ``SOCIALACCOUNT_ADAPTER``. Social login is off until ``QUICKSCALE_ACCOUNTS_SOCIAL_LOGIN``."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import Http404, HttpRequest

from quickscale_accounts.conf import app_settings


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # no types
    """Hide every provider, and return 404 for its URLs, while social login is off."""

    def list_providers(self, request: HttpRequest) -> list[Any]:
        return super().list_providers(request) if app_settings.social_login else []

    def get_provider(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> Any:
        if not app_settings.social_login:
            raise Http404("Social login is off.")
        return super().get_provider(request, provider, client_id=client_id)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        allowed: bool = get_account_adapter(request).is_open_for_signup(request)
        return app_settings.social_login and allowed
