from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from typing import cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict

OURS = ("key", "csrfmiddlewaretoken")


class UseKeyForm(forms.Form):
    """The hidden key of a form that spends credits; a form that is sent twice is charged once.

    The key applies to the values filled in, so a form that is changed and sent again is a new use.
    """

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def idempotency_key(self, code: str) -> str:
        """Return the idempotency key of this use of a service."""
        sent = cast("QueryDict", self.data)
        filled_in = sorted((name, sent.getlist(name)) for name in sent if name not in OURS)
        files = sorted(
            (name, file.name, file.size)
            for name, file in self.files.items()
            if isinstance(file, UploadedFile)
        )
        digest = hashlib.sha256(repr((filled_in, files)).encode()).hexdigest()
        return f"form:{code}:{self.cleaned_data['key']}:{digest}"


def typed_values(form: forms.Form) -> dict[str, list[str]]:
    """Return the values of a form that was sent, without passwords and files."""
    sent = cast("QueryDict", form.data)
    secret = {
        form.add_prefix(name)
        for name, field in form.fields.items()
        if isinstance(field.widget, forms.PasswordInput)
    }
    return {name: sent.getlist(name) for name in sent if name not in {*OURS, *secret}}


def fill_in(form: forms.Form, values: Mapping[str, Sequence[str]]) -> None:
    """Let a form that was not sent yet show these values, without checking them."""
    data = QueryDict(mutable=True)
    for name, texts in values.items():
        data.setlist(name, list(texts))
    for name, field in form.fields.items():
        if not isinstance(field, forms.FileField):
            shown = field.widget.value_from_datadict(data, {}, form.add_prefix(name))
            form.initial[name] = shown
