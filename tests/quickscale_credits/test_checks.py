from __future__ import annotations

import pytest
from django.core.checks import run_checks

from quickscale_credits.services import metered_codes
from quickscale_credits.testing import ServiceFactory


@pytest.mark.parametrize(
    ("setting", "value", "check_id"),
    [
        ("QUICKSCALE_OWNER_MODEL", "nowhere.Nothing", "quickscale_credits.E002"),
        ("QUICKSCALE_CREDITS_PRIORITIES", {"gold": 1}, "quickscale_credits.E004"),
        ("QUICKSCALE_CREDITS_SHORTFALL_POLICY", "forgive", "quickscale_credits.E005"),
        ("QUICKSCALE_CREDITS_STARTING_BALANCE", "lots", "quickscale_credits.E006"),
        ("QUICKSCALE_CREDITS_STARTING_BALANCE", -1, "quickscale_credits.E006"),
        ("QUICKSCALE_CREDITS_LOW_BALANCE", object(), "quickscale_credits.E006"),
    ],
)
def test_a_wrong_setting_is_reported(settings, setting, value, check_id):
    setattr(settings, setting, value)
    found = [message for message in run_checks() if message.id == check_id]
    assert found
    assert setting in found[0].msg


@pytest.mark.django_db
def test_nothing_is_wrong_by_default():
    for code in metered_codes:  # of the services that other tests meter
        ServiceFactory(slug=code)
    messages = run_checks(databases=["default"])
    assert [message for message in messages if message.id.startswith("quickscale_credits")] == []
