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
    # People can't see or reach this field; bots that fill in every field give themselves away.
    company_url = forms.CharField(
        label=_("Leave this empty"),
        required=False,
        widget=forms.TextInput({"autocomplete": "off", "tabindex": "-1"}),
    )

    @property
    def is_spam(self) -> bool:
        return bool(self.cleaned_data["company_url"])
