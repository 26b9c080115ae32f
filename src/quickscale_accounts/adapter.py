"""QuickScale's changes to allauth's account flows. Name the adapter in ``ACCOUNT_ADAPTER``."""

from __future__ import annotations

import logging
from math import ceil
from typing import Any

from allauth.account import app_settings as allauth_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import ratelimit
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from quickscale.clients import client_address
from quickscale.internal.brand import brand_name, from_email
from quickscale.mail import with_layout
from quickscale_accounts.conf import app_settings
from quickscale_accounts.internal import waiting

logger = logging.getLogger(__name__)

MAILS_OF_SIGN_UP = (
    "account/email/email_confirmation_signup",
    "account/email/account_already_exists",
)
MAILS_TO_STRANGERS = (*MAILS_OF_SIGN_UP, "account/email/unknown_account")
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104  the standard's "unspecified"; allauth wants an address


def lockout_minutes() -> int:
    """Return the longest time that ``ACCOUNT_RATE_LIMITS`` can refuse a sign-in.

    allauth does not say how much of it is left.
    """
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    rates = allauth_settings.RATE_LIMITS["login_failed"].split(",")  # such as 10/m/ip, 5/5m/key
    periods = [rate.split("/")[1].strip() for rate in rates]
    return max(ceil(float(period[:-1] or 1) * seconds[period[-1]] / 60) for period in periods)


def _reason() -> str:
    text = _("You get this email because somebody entered your address at %(brand)s.")
    return text % {"brand": brand_name()}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Call the sign-up hook, and put the site's brand on every mail."""

    _may_fail = False

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return app_settings.signup_allowed(request=request)

    def save_user(
        self, request: HttpRequest, user: AbstractBaseUser, form: BaseForm, commit: bool = True
    ) -> AbstractBaseUser:
        """Do as allauth does, but if two sign-ups use one address, the later changes nothing.

        It gets the same response as the first, like a button that was pressed twice.
        """
        try:
            with transaction.atomic():
                saved: AbstractBaseUser = super().save_user(request, user, form, commit)
        except IntegrityError as error:
            answer = self.respond_email_verification_sent(request, None)
            raise ImmediateHttpResponse(answer) from error
        return saved

    def respond_email_verification_sent(
        self, request: HttpRequest, user: AbstractBaseUser | None
    ) -> HttpResponse:
        """Do as allauth does, and remember the page that ``next`` names."""
        waiting.begin(request)
        response: HttpResponse = super().respond_email_verification_sent(request, user)
        return response

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        """Do as allauth does, but let the sign-in lead to the page that the person wanted."""
        url = resolve_url(super().get_email_verification_redirect_url(email_address))
        if self.request.user.is_anonymous and (page := waiting.end(self.request)):
            url += ("&" if "?" in url else "?") + urlencode({REDIRECT_FIELD_NAME: page})
        return url

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Do as allauth does, but let the sign-in after it lead to the page that was wanted."""
        url: str = super().get_reset_password_from_key_url(key)
        page = self.request.POST.get("wanted") if self.request else None
        if not page or not self.is_safe_url(page):
            return url
        sign_in = f"{reverse('account_login')}?{urlencode({REDIRECT_FIELD_NAME: page})}"
        return f"{url}?{urlencode({REDIRECT_FIELD_NAME: sign_in})}"

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Do as allauth does, but don't repeat what the page of the code says itself.

        When a code is sent again, the owner of an address that has an account gets another mail,
        too. Otherwise, a quick response would reveal that the address has an account.
        """
        by_code = allauth_settings.EMAIL_VERIFICATION_BY_CODE_ENABLED
        on_code_page = waiting.is_on_code_page(request)
        if by_code and message_template == "account/messages/email_confirmation_sent.txt":
            if not on_code_page:
                return
            message = _("We have sent you a new code. The earlier one no longer works.")
            if waiting.is_for_nobody(request) and message_context:
                super().send_account_already_exists_mail(message_context["email"])
        elif (
            on_code_page
            and request.user.is_anonymous
            and (
                message_template == "account/messages/email_confirmed.txt"
                or message == self.error_messages["too_many_login_attempts"]
            )
        ):
            return
        super().add_message(request, level, message_template, message_context, extra_tags, message)

    def send_account_already_exists_mail(self, email: str) -> None:
        """Do as allauth does, but take as long as a sign-up, which mostly hashes the password.

        Otherwise, a quick response would reveal that the address has an account.
        """
        make_password(email)
        super().send_account_already_exists_mail(email)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the key of the rate limits; visitors with an unknown address share one limit."""
        return client_address(request) or UNKNOWN_ADDRESS

    def send_notification_mail(
        self,
        template_prefix: str,
        user: AbstractBaseUser,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Do as allauth does, but with ``None`` for ``ip`` if the address is unknown."""
        context = {"ip": client_address(self.request), **(context or {})}
        self._may_fail = True
        try:
            super().send_notification_mail(template_prefix, user, context, email)
        finally:
            self._may_fail = False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Do as allauth does, but log a mail that can't be sent, and let people ask for another.

        Otherwise, a sign-up without a mail server would end in an error page although the account
        was created. A message tells the person, who goes back to the form, or after a sign-up to
        the sign-in, which sends the link again. A failed notice is only logged, because the action
        that it reports is done.
        """
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # the base of smtplib's errors and those of most services
            logger.exception("The mail %s could not be sent.", template_prefix)
            if self._may_fail:
                return
            if self.request is None:
                raise
            raise ImmediateHttpResponse(self._ask_again(template_prefix, email)) from error

    def _ask_again(self, template_prefix: str, email: str) -> HttpResponse:
        ratelimit.clear(self.request, action="confirm_email", key=email.lower())
        if template_prefix in MAILS_OF_SIGN_UP and not waiting.is_on_code_page(self.request):
            text = _("We could not send you an email. Sign in in a few minutes to get it.")
            page = reverse("account_login")
        else:
            text = _("We could not send you an email. Please try again in a few minutes.")
            page = self.request.get_full_path()
        messages.error(self.request, text)
        return HttpResponseRedirect(page)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Do as allauth does, but show the page ``429.html`` after too many wrong passwords."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError as error:
            request.lockout_minutes = lockout_minutes()  # type: ignore[attr-defined]
            raise ImmediateHttpResponse(ratelimit.respond_429(request)) from error

    def get_from_email(self) -> str:
        """Return the sender of all of this site's mails."""
        return from_email()

    def format_email_subject(self, subject: str) -> str:
        """Use no prefix unless ``ACCOUNT_EMAIL_SUBJECT_PREFIX`` sets one."""
        return f"{allauth_settings.EMAIL_SUBJECT_PREFIX or ''}{subject}"

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> EmailMessage:
        """Do as allauth does, with the variables of the mails' layout in the context."""
        if self.request:
            context = {"site_url": self.request.build_absolute_uri("/"), **context}
        if template_prefix in MAILS_TO_STRANGERS:
            context = {"reason": _reason(), **context}
        context = with_layout(template_prefix, context, self.request)
        message: EmailMessage = super().render_mail(template_prefix, email, context, headers)
        return message
