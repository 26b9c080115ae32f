from __future__ import annotations

import hashlib
import uuid
from typing import cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict


class UseKeyForm(forms.Form):
    """The hidden key of a form that spends credits; a form that is sent twice is charged once.

    The key applies to the values filled in, so a form that is changed and sent again is a new use.
    """

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def idempotency_key(self, code: str) -> str:
        """Return the idempotency key of this use of a service."""
        sent = cast("QueryDict", self.data)
        filled_in = sorted(
            (name, sent.getlist(name))
            for name in sent
            if name not in ("key", "csrfmiddlewaretoken")
        )
        files = sorted(
            (name, file.name, file.size)
            for name, file in self.files.items()
            if isinstance(file, UploadedFile)
        )
        digest = hashlib.sha256(repr((filled_in, files)).encode()).hexdigest()
        return f"form:{code}:{self.cleaned_data['key']}:{digest}"
