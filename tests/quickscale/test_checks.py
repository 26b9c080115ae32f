from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection, models

from quickscale import checks


def test_another_engine_is_an_error(monkeypatch):
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="sqlite")})
    (message,) = checks.check_postgresql("shop", "shop.E001")
    assert message.id == "shop.E001"
    assert "shop needs PostgreSQL" in message.msg
    assert "sqlite" in message.msg


def test_postgresql_is_fine():
    assert checks.check_postgresql("shop", "shop.E001") == []


def test_an_unknown_owner_model_is_an_error(settings):
    settings.QUICKSCALE_OWNER_MODEL = "nowhere.Team"
    (message,) = checks.check_owner_model("shop.E002")
    assert message.id == "shop.E002"
    assert "nowhere.Team" in message.msg


@pytest.fixture
def wallet(db):
    """A model with a key to the owner, whose table refers to the users' table."""

    class Wallet(models.Model):
        owner = models.ForeignKey(get_user_model(), on_delete=models.PROTECT)

        class Meta:
            app_label = "checks_test"
            managed = False

        def __str__(self):
            return str(self.pk)

    with connection.schema_editor() as editor:
        Wallet._meta.managed = True
        editor.create_model(Wallet)
    return Wallet


@pytest.mark.filterwarnings("ignore:Model 'checks_test.wallet' was already registered")
@pytest.mark.django_db(transaction=False)
class TestOwnerDrift:
    def test_the_same_owner_model_is_fine(self, wallet):
        assert checks.check_owner(wallet, ["default"], "shop.E003") == []

    def test_another_owner_model_than_the_databases_is_an_error(self, wallet, settings):
        settings.QUICKSCALE_OWNER_MODEL = "auth.Group"
        (message,) = checks.check_owner(wallet, ["default"], "shop.E003")
        assert message.id == "shop.E003"
        assert get_user_model()._meta.db_table in message.msg
        assert Group._meta.db_table in message.msg

    def test_nothing_is_said_of_a_table_that_is_not_there(self, settings):
        settings.QUICKSCALE_OWNER_MODEL = "auth.Group"

        missing = SimpleNamespace(_meta=SimpleNamespace(db_table="not_migrated_yet"))
        assert checks.check_owner(missing, ["default"], "shop.E003") == []

    def test_nothing_is_asked_without_databases(self, wallet, settings):
        settings.QUICKSCALE_OWNER_MODEL = "auth.Group"
        assert checks.check_owner(wallet, None, "shop.E003") == []
