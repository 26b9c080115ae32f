"""Form fields that all apps share."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from quickscale.internal.owners import OwnerNotFoundError, find_owner


class OwnerField(forms.CharField):
    """A field for an owner, named by a user's email address or the owner's primary key."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("label", _("Owner"))
        options.setdefault("help_text", _("The user's email address, or the owner's key."))
        super().__init__(**options)

    def clean(self, value: Any) -> Any:
        name = super().clean(value)
        try:
            return find_owner(name) if name else None
        except OwnerNotFoundError as error:
            raise forms.ValidationError(str(error)) from error
