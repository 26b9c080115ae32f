"""What the tests of pages, services and metering share."""

from __future__ import annotations

from django import forms

from quickscale_credits.services import BaseService, ServiceError


class EchoForm(forms.Form):
    text = forms.CharField()


class Shout(BaseService):
    code = "shout"
    name = "Shout"
    cost = 2
    unit = "letter"
    form_class = EchoForm

    def units(self, *, text: str) -> int:
        return len(text)

    def run(self, *, text: str) -> str:
        if text == "no":
            raise ServiceError("I don't shout that.")
        if text == "crash":
            raise RuntimeError("out of order")
        return text.upper()


class Whisper(BaseService):
    code = "whisper"
    name = "Whisper"
    form_class = EchoForm

    async def run(self, *, text: str) -> dict[str, str]:
        return {"whispered": text.lower()}
