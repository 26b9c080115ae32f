"""Sites with replicas, and sites that keep credits in a database of their own.

Both aliases of a test lead to the same database: a read-only connection stands for a replica, and
one that fails at each query stands for a database without credits.
"""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta
from inspect import isfunction
from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.utils import timezone

from quickscale.admin.jobs import Job
from quickscale_credits import allotments, ledger
from quickscale_credits.admin.bulk import grant_to, keep_grant
from quickscale_credits.charging import charge
from quickscale_credits.exceptions import InvalidRequestError
from quickscale_credits.internal import outbox
from quickscale_credits.internal.balances import current_account
from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.internal.imports import import_credits
from quickscale_credits.models import CreditAccount, CreditEvent, CreditTransaction, Service
from quickscale_credits.pricing import price_by_list, price_list, price_use, set_price
from quickscale_credits.signals import credits_granted
from quickscale_credits.testing import ServiceFactory
from tests.owners import make_owner, make_user
from tests.quickscale_credits.operations import ALLOTMENTS, LEDGER, OPERATIONS, Stage
from tests.quickscale_credits.surface import member_of
from tests.quickscale_credits.times import a_day_ago

pytestmark = pytest.mark.django_db(transaction=True)


class PrimaryReplicaRouter:
    """The router from Django's documentation."""

    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "default"

    def allow_relation(self, obj1, obj2, **hints):
        return True


class OneDatabaseRouter:
    """Users and credits live in a database other than the default one."""

    def db_for_read(self, model, **hints):
        return "credits"

    db_for_write = db_for_read


class OwnersRouter:
    """Credits are where their owner is, and services in the default database."""

    def db_for_read(self, model, **hints):
        return (hints.get("instance") and hints["instance"]._state.db) or "default"

    def db_for_write(self, model, **hints):
        if model is CreditAccount and not hints:
            raise AssertionError("Whose account?")
        return self.db_for_read(model, **hints)

    def allow_relation(self, obj1, obj2, **hints):
        return True


def add_alias(name, **options):
    settings = deepcopy(connections["default"].settings_dict)
    for option, value in options.items():
        settings["OPTIONS"]["options"] += f" -c {option}={value}"
    connections.settings[name] = settings
    connection = connections[name]

    def connect():  # a test may use only the aliases that existed when it began
        if connection.connection is None:
            connection.connect()

    connection.ensure_connection = connect


def refuse(*args, **kwargs):
    raise AssertionError("The default database was asked.")


def remove_alias(name):
    connections[name].close()
    del connections[name]
    del connections.settings[name]


@pytest.fixture
def replica(transactional_db, settings):
    add_alias("replica", default_transaction_read_only="on")
    settings.DATABASE_ROUTERS = [PrimaryReplicaRouter()]
    yield "default"
    settings.DATABASE_ROUTERS = []
    remove_alias("replica")


@pytest.fixture
def second(transactional_db, settings, monkeypatch):
    """The alias of the credits' database; every query to the default database fails."""
    add_alias("credits")
    settings.DATABASE_ROUTERS = [OneDatabaseRouter()]
    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "cursor", refuse)
        patch.setattr(connections["default"], "ensure_connection", refuse)
        yield "credits"
    settings.DATABASE_ROUTERS = []
    remove_alias("credits")


@pytest.fixture(params=["replica", "second"])
def database(request):
    """The alias that credits are written to; a write to the other alias fails."""
    return request.getfixturevalue(request.param)


def run_json(command, *args, **options):
    out = StringIO()
    call_command(command, *args, json=True, stdout=out, **options)
    return json.loads(out.getvalue())


def test_every_operation_is_listed():
    for module, listed, pure in ((ledger, LEDGER, set()), (allotments, ALLOTMENTS, {"periods"})):
        functions = {name for name in module.__all__ if isfunction(getattr(module, name))}
        assert set(listed) == functions - pure


def test_every_operation_writes_where_the_router_says(database):
    for module, name, arguments in OPERATIONS:
        stage = Stage()
        stage.read_again()
        args, kwargs = arguments(stage)
        try:
            with transaction.atomic(using=database):
                getattr(module, name)(*args, **kwargs)
        except Exception as error:
            error.add_note(f"in {module.__name__}.{name}")
            raise
    assert ledger.verify(using=database) == []


ROWLESS = {"expire_due", "open_account", "sweep", "verify_in_parts"}


@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [operation for operation in OPERATIONS if operation[1] not in ROWLESS],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_without_a_router_an_operation_writes_where_its_row_is(
    transactional_db, monkeypatch, module, name, arguments
):
    stage = Stage()
    add_alias("other")
    try:
        stage.read_again("other")
        args, kwargs = arguments(stage)
        with monkeypatch.context() as patch, transaction.atomic(using="other"):
            patch.setattr(connections["default"], "cursor", refuse)
            getattr(module, name)(*args, **kwargs)
    finally:
        remove_alias("other")


def test_without_a_router_the_caller_names_the_database(transactional_db, monkeypatch):
    stage = Stage()
    newcomer = make_owner()
    add_alias("other")
    try:
        with a_day_ago() as end:
            stage.account.add_credits(5, "Trial", credit_type="trial", expires_at=end)
        stage.read_again("other")
        newcomer = type(newcomer)._default_manager.using("other").get(pk=newcomer.pk)
        with monkeypatch.context() as patch:
            patch.setattr(connections["default"], "cursor", refuse)
            assert ledger.open_account(owner=newcomer)._state.db == "other"
            assert ledger.open_account(owner=newcomer, using="other")._state.db == "other"
            assert ledger.expire_due(using="other") == 1
            assert ledger.sweep(using="other").posted == 0
    finally:
        remove_alias("other")


def test_a_row_is_brought_up_to_date_from_where_it_was_written(replica):
    stage = Stage()
    stage.read_again()
    assert stage.account._state.db == stage.hold._state.db == "replica"
    ledger.set_low_balance(account=stage.account, threshold=1)
    ledger.capture(hold=stage.hold, amount=0)
    assert stage.account._state.db == stage.hold._state.db == replica


def test_rows_write_where_the_router_says(database):
    stage = Stage()
    stage.read_again()
    account = stage.owner.credit_account
    entry = account.consume_credits(2, "Work")
    CreditTransaction.objects.get(pk=entry.pk).reverse(reason="It failed")
    account.remove_credits(1, "Mistake")
    account.hold_credits(1, "Work", ttl=timedelta(hours=1)).capture(0)
    stage.hold.capture()
    assert stage.account.get_balance() == 203
    assert CreditAccount.objects.for_owner(stage.owner) == account
    with a_day_ago(using=database) as end:
        stage.other.add_credits(5, "Trial", credit_type="trial", expires_at=end)
    current_account(stage.other.owner)
    assert stage.other.transactions.filter(kind="expire").exists()


def test_prices_are_written_and_read_where_the_router_says(database):
    with transaction.atomic(using=database):
        service = ServiceFactory()
        set_price(service, 3)
        assert price_use(service, {"units": 1}).cost == 3
        assert [price.unit_price for price in price_list(service)] == [3, 1]


def test_prices_are_written_and_read_where_their_service_is(transactional_db, settings):
    ServiceFactory(slug="ocr")
    add_alias("other")
    settings.DATABASE_ROUTERS = [OwnersRouter()]
    try:
        service = Service.objects.using("other").get(slug="ocr")
        with (
            transaction.atomic(using="other"),
            ledger_clock(timezone.now(), using="other") as clock,
        ):
            assert set_price(service, 3)._state.db == "other"
            clock.move(timedelta(days=1))
            for priced in (price_use, price_by_list):
                assert priced(service, {"units": 1}).cost == 3
                assert priced(service, {"units": 1}).at == clock.now
            assert [price.unit_price for price in price_list(service)] == [3, 1]
    finally:
        settings.DATABASE_ROUTERS = []
        remove_alias("other")


def test_work_is_charged_where_the_router_says(database):
    owner = make_owner()
    account = CreditAccount.objects.for_owner(owner)
    account.add_credits(10, "Bought")
    service = ServiceFactory(slug="ocr")
    with transaction.atomic(using=database):
        set_price(service, 3)
        for replayed in (False, True):
            with charge(owner, "ocr", idempotency_key="k") as charging:
                assert charging.replayed is replayed
        with charge(owner, "ocr", cost=2):
            pass
    assert account.get_balance() == 5


def test_work_is_charged_where_its_owner_is(transactional_db, settings, monkeypatch, caplog):
    ServiceFactory(slug="ocr", cost=3)
    owner = make_owner()
    CreditAccount.objects.for_owner(owner).add_credits(10, "Bought")
    add_alias("other")
    monkeypatch.setitem(connections["other"].settings_dict, "ATOMIC_REQUESTS", True)
    settings.DATABASE_ROUTERS = [OwnersRouter()]
    try:
        owner = type(owner)._default_manager.using("other").get(pk=owner.pk)
        with transaction.atomic(using="other"):
            for replayed in (False, True):
                with charge(owner, "ocr", idempotency_key="k") as charging:
                    assert charging.replayed is replayed
            with charge(owner, "ocr", cost=2):
                pass
            assert charging.usage._state.db == charging.usage.transaction._state.db == "other"
            assert charging.account.get_balance() == 5
        assert "non_atomic_requests" in caplog.text
    finally:
        settings.DATABASE_ROUTERS = []
        remove_alias("other")


@pytest.fixture
def heard():
    heard = []

    def receiver(*, account, transaction, event, **kwargs):
        heard.append((account._state.db, transaction.amount, event._state.db))

    credits_granted.connect(receiver, weak=False, dispatch_uid="databases")
    yield heard
    credits_granted.disconnect(dispatch_uid="databases")


def test_events_are_delivered_from_where_they_were_written(database, heard, settings):
    account = CreditAccount.objects.for_owner(make_owner())
    account.add_credits(1, "At the commit")
    settings.QUICKSCALE_CREDITS_DELIVER_ON_COMMIT = False
    account.add_credits(2, "Later")
    assert run_json("deliver_credit_events")["left"] == 0
    account.add_credits(3, "By hand")
    assert outbox.deliver_account(account.pk) == 1
    assert heard == [(database, amount, database) for amount in (1, 2, 3)]
    CreditEvent.objects.using(database).update(delivered_at=timezone.now() - timedelta(days=90))
    assert outbox.purge() > 0


def test_many_accounts_at_once(database):
    accounts = [CreditAccount.objects.for_owner(make_owner()) for _ in range(2)]
    job = Job("job", "gift", [str(account.pk) for account in accounts], {})
    keep_grant(
        job, {"amount": 5, "description": "Gift", "credit_type": "bonus", "expires_at": None}
    )
    assert grant_to(job.keys, job, actor=None, dry_run=True) == []
    assert accounts[0].get_balance() == 0
    assert grant_to(job.keys, job, actor=None) == []
    lines = [f"{account.owner.pk},2,Moved" for account in accounts]
    content = "\n".join(["owner,amount,description", *lines])
    assert import_credits(content, dry_run=True).credits == 4
    assert import_credits(content).problems == []
    assert [account.get_balance() for account in accounts] == [7, 7]


def test_every_command(database, settings, tmp_path):
    settings.DEBUG = True
    user = make_user("somebody@example.com")
    owner = make_owner()
    key = str(owner.pk)
    run_json("add_credits", key, "5", "Gift", dry_run=True)
    assert run_json("add_credits", key, "5", "Gift")["available"] == "5.0000"
    assert run_json("check_credits", key)[0]["available"] == "5.0000"
    (price,) = run_json("configure_service", "ocr", name="Read", cost="1")["prices"]
    assert price["cost"] == "1"
    assert Service.objects.get(slug="ocr").cost_of(1) == 1
    file = tmp_path / "credits.csv"
    file.write_text(f"owner,amount,description\n{key},2,Moved")
    assert run_json("import_credits", str(file))["credits"] == "2.0000"
    assert run_json("expire_credits")["accounts"] == 0
    assert run_json("verify_ledger", key)["sound"]
    assert run_json("verify_ledger")["sound"]
    assert run_json("rebuild_balances", all=True)["corrected"] == []
    assert run_json("rebuild_balances", key)["corrected"] == []
    if owner.__class__ is user.__class__:
        call_command("load_sample_credits", user.email, stdout=StringIO())
    checks = [message.id for message in run_checks(databases=[database])]
    assert not [check for check in checks if check.startswith("quickscale_credits.E")]


def test_a_command_works_on_the_database_that_it_is_given(transactional_db, settings):
    """Without a router a row is written to its own database; with one, only where it writes."""
    add_alias("other")
    try:
        key = str(make_owner().pk)
        added = run_json("add_credits", key, "5", "Gift", database="other")
        assert added["available"] == "5.0000"
        account = CreditAccount.objects.using("other").get(owner=key)
        with transaction.atomic(using="other"), ledger_clock(timezone.now(), using="other"):
            assert account.consume_credits(1, "Work")._state.db == "other"
        for command in ("expire_credits", "deliver_credit_events", "verify_ledger"):
            run_json(command, database="other")

        settings.DATABASE_ROUTERS = [PrimaryReplicaRouter()]
        with pytest.raises(CommandError, match="the router writes to 'default'"):
            call_command("add_credits", key, "5", "Gift", database="other")
        with pytest.raises(InvalidRequestError, match="the router writes to 'default'"):
            import_credits(f"owner,amount,description\n{key},2,Moved", using="other")
    finally:
        settings.DATABASE_ROUTERS = []
        remove_alias("other")


def test_the_admin_writes_where_the_router_says(database, client):
    staff = make_user("staff@example.com")
    staff.is_staff = staff.is_superuser = True
    staff.save()
    owner = make_owner("customer@example.com")
    member_of(owner, "customer@example.com")
    account = CreditAccount.objects.for_owner(owner)
    client.force_login(staff)
    url = f"/admin/quickscale_credits/creditaccount/{account.pk}"
    key = "8b7c4c1e-8f3a-4a62-9c53-6b1a3f0e2f11"
    data = {"amount": "5", "description": "Gift", "credit_type": "bonus", "key": key}
    assert client.post(f"{url}/add-credits/", data).status_code == 302
    data["key"] = key.replace("8b", "9b")
    assert client.post(f"{url}/remove-credits/", data).status_code == 302
    assert client.post(f"{url}/change/", {"low_balance_threshold": "3"}).status_code == 302
    assert client.get(f"{url}/change/").status_code == 200
    account = CreditAccount.objects.get(pk=account.pk)
    assert (account.get_balance(), account.low_balance_threshold) == (0, 3)
