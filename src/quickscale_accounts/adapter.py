"""What QuickScale changes in allauth's account flows. Name it in ``ACCOUNT_ADAPTER``."""

from __future__ import annotations

from email.utils import formataddr, parseaddr
from typing import Any

from allauth.account import app_settings as allauth_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.forms import BaseForm
from django.http import HttpRequest

from quickscale.brand import brand_name
from quickscale_accounts.conf import app_settings


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Asks the sign-up hook, and puts the site's brand on every mail."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return app_settings.signup_allowed(request=request)

    def save_user(
        self, request: HttpRequest, user: AbstractBaseUser, form: BaseForm, commit: bool = True
    ) -> AbstractBaseUser:
        """As allauth does; of two sign-ups at once with one address, the later changes nothing.

        It is answered like the first, as by a button that was pressed twice.
        """
        try:
            with transaction.atomic():
                saved: AbstractBaseUser = super().save_user(request, user, form, commit)
        except IntegrityError as error:
            answer = self.respond_email_verification_sent(request, None)
            raise ImmediateHttpResponse(answer) from error
        return saved

    def get_from_email(self) -> str:
        """``DEFAULT_FROM_EMAIL``, with the brand as its name when it has none."""
        name, address = parseaddr(super().get_from_email())
        return formataddr((name or brand_name(), address))

    def format_email_subject(self, subject: str) -> str:
        """Without a prefix, unless ``ACCOUNT_EMAIL_SUBJECT_PREFIX`` sets one."""
        return f"{allauth_settings.EMAIL_SUBJECT_PREFIX or ''}{subject}"

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        """As allauth does, with ``brand_name`` and ``site_url`` in the templates' context."""
        site_url = self.request.build_absolute_uri("/") if self.request else ""
        context = {"brand_name": brand_name(), "site_url": site_url, **context}
        message: EmailMessage = super().render_mail(template_prefix, email, context, headers)
        return message
