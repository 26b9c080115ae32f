from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class ContactForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=100, widget=forms.TextInput({"autocomplete": "name"})
    )
    email = forms.EmailField(
        label=_("Email address"), widget=forms.EmailInput({"autocomplete": "email"})
    )
    message = forms.CharField(
        label=_("Message"), max_length=5000, widget=forms.Textarea({"rows": 8})
    )

    @property
    def is_spam(self) -> bool:
        """Whether a bot filled in the field that people can't see."""
        return bool(self.data.get("company_url"))
