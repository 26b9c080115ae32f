"""What the tests of pages, services and metering share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model

from quickscale_credits.services import BaseService, ServiceError
from tests.owners import make_user


def member_of(owner: Any, email: str) -> Any:
    """A user who acts for the owner: the owner itself, or a member of the team."""
    if isinstance(owner, get_user_model()):
        return owner
    user = make_user(email)
    owner.members.add(user)
    return user


class EchoForm(forms.Form):
    text = forms.CharField()


class Shout(BaseService):
    code = "shout"
    name = "Shout"
    cost = 2
    unit = "letter"
    action_label = "Shout it"
    form_class = EchoForm

    def units(self, *, text: str) -> int:
        return len(text)

    def run(self, *, text: str) -> str:
        if text == "no":
            raise ServiceError("I don't shout that.")
        if text == "crash":
            raise RuntimeError("out of order")
        return text.upper()


class ApiCall(BaseService):
    """A service without a page, which code charges for."""

    code = "api-call"
    name = "API call"
    cost = "0.5"


class Whisper(BaseService):
    code = "whisper"
    name = "Whisper"
    form_class = EchoForm

    async def run(self, *, text: str) -> dict[str, str]:
        return {"whispered": text.lower()}
