from __future__ import annotations

from collections.abc import Callable

from quickscale.conf import AppSettings


class AccountsSettings(AppSettings):
    prefix = "QUICKSCALE_ACCOUNTS_"

    @property
    def signup_allowed(self) -> Callable[..., bool]:
        """Dotted path to ``hook(*, request) -> bool``, which returns whether this visitor may sign
        up, by form or with a social account.

        It must be quick, because the navigation calls it for every page that a visitor sees.
        Default: ``"quickscale_accounts.hooks.signup_allowed"``, which lets everyone sign up.
        """
        return self._hook("SIGNUP_ALLOWED", "quickscale_accounts.hooks.signup_allowed")

    @property
    def social_login(self) -> bool:
        """Whether the providers of ``allauth.socialaccount`` may be used. Default: ``False``."""
        return self._get("SOCIAL_LOGIN", False)


app_settings = AccountsSettings()
