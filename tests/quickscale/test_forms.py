from __future__ import annotations

import pytest
from django import forms

from quickscale.forms import OwnerField
from tests.owners import make_owner


class GiftForm(forms.Form):
    owner = OwnerField()
    other = OwnerField(label="Other", required=False)


@pytest.mark.django_db
def test_an_owner_is_found_by_address_or_key():
    owner = make_owner()
    for name in (str(owner.pk), f" {owner.pk} "):
        form = GiftForm({"owner": name})
        assert form.is_valid()
        assert form.cleaned_data == {"owner": owner, "other": None}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("", "This field is required."),
        ("nobody@example.com", "No user has the email address nobody@example.com."),
    ],
)
def test_an_unknown_owner_is_an_error_of_the_field(name, error):
    assert GiftForm({"owner": name}).errors == {"owner": [error]}
