from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.checks import run_checks
from django.db import connection, connections, models
from django.urls import include, path, reverse_lazy

from quickscale import checks
from quickscale.postgres import ENGINE


def test_another_engine_is_an_error(monkeypatch):
    monkeypatch.setattr(connections["default"], "vendor", "sqlite")
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

    def test_a_missing_table_is_not_reported(self, settings):
        settings.QUICKSCALE_OWNER_MODEL = "auth.Group"

        missing = SimpleNamespace(_meta=SimpleNamespace(db_table="not_migrated_yet"))
        assert checks.check_owner(missing, ["default"], "shop.E003") == []

    def test_another_kind_of_database_is_not_asked(self, wallet, monkeypatch):
        monkeypatch.setattr(connections["default"], "vendor", "sqlite")
        monkeypatch.setattr(connections["default"], "cursor", None)
        assert checks.check_owner(wallet, ["default"], "shop.E003") == []

    def test_nothing_is_asked_without_databases(self, wallet, settings):
        settings.QUICKSCALE_OWNER_MODEL = "auth.Group"
        assert checks.check_owner(wallet, None, "shop.E003") == []


def about_login():
    return [m.msg for m in run_checks() if m.id == "quickscale.W003"]


def sign_in(request):
    """A sign-in page of the site."""


def site(*patterns):
    class Urls:
        urlpatterns = [path("shop/", include("quickscale_dashboard.urls")), *patterns]

    return Urls


SIGN_IN = path("sign-in/", sign_in, name="sign-in")


@pytest.mark.parametrize(
    ("login_url", "urls", "found"),
    [
        ("/accounts/login/", site(SIGN_IN), 1),
        ("account_login", site(SIGN_IN), 1),
        ("/sign-in/?from=shop", site(SIGN_IN), 0),
        ("sign-in", site(SIGN_IN), 0),
        (reverse_lazy("sign-in"), site(SIGN_IN), 0),
        ("https://login.example.com/", site(), 0),
        ("/sign-in/", site(*i18n_patterns(SIGN_IN)), 0),
        ("/elsewhere/", site(*i18n_patterns(SIGN_IN)), 1),
    ],
)
def test_a_missing_sign_in_is_reported(settings, login_url, urls, found):
    settings.LOGIN_URL, settings.ROOT_URLCONF = login_url, urls
    assert len(about_login()) == found


def test_a_site_without_our_pages_needs_no_sign_in(settings):
    class Urls:
        urlpatterns = [path("api/", sign_in)]

    settings.LOGIN_URL, settings.ROOT_URLCONF = "/accounts/login/", Urls
    assert about_login() == []


@pytest.mark.parametrize(("engine", "count"), [(ENGINE, 1), ("django.db.backends.postgresql", 0)])
def test_the_embedded_database_is_not_for_production(monkeypatch, engine, count):
    def told(**options):
        return [m.id for m in run_checks(**options)].count("quickscale.E003")

    monkeypatch.setitem(connections["default"].settings_dict, "ENGINE", engine)
    assert told(include_deployment_checks=True) == count
    assert told() == 0


@pytest.mark.parametrize("app", ["quickscale_credits", "quickscale_stripe"])
def test_every_command_reports_another_engine_and_not_only_migrate(monkeypatch, app):
    monkeypatch.setattr(connections["default"], "vendor", "sqlite")
    assert f"{app}.E001" in [m.id for m in run_checks()]
