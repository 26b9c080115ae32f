from __future__ import annotations

import json
import re
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from quickscale_credits.internal.clock import ledger_clock
from quickscale_credits.models import (
    CreditAccount,
    CreditEvent,
    CreditTransaction,
    Service,
    ServiceUsage,
)

pytestmark = pytest.mark.django_db


def run(command: str, *args: object, **options: object) -> str:
    out = StringIO()
    call_command(command, *args, stdout=out, **options)
    return out.getvalue()


def run_json(command: str, *args: object, **options: object) -> object:
    return json.loads(run(command, *args, json=True, **options))


@contextmanager
def unguarded():
    """Lets a test plant corruption, which PostgreSQL refuses otherwise."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield cursor
        cursor.execute("SET session_replication_role = DEFAULT")


class TestExpireCredits:
    @pytest.fixture
    def ended(self, account):
        with ledger_clock(timezone.now()) as clock:
            end = clock.now + timedelta(hours=1)
            account.add_credits(5, "Trial", credit_type="trial", expires_at=end)
            clock.move(timedelta(hours=2))
            yield account

    def test_posts_what_is_due(self, ended):
        nothing = {"accounts": 0, "announced": 0, "failed": [], "dry_run": False}
        assert run_json("expire_credits") == {**nothing, "accounts": 1}
        assert ended.transactions.get(kind="expire").amount == -5
        assert run_json("expire_credits") == nothing

    def test_a_dry_run_posts_nothing(self, ended):
        assert run("expire_credits", dry_run=True) == "1 accounts are due.\n"
        assert not ended.transactions.filter(kind="expire").exists()

    def test_a_limit(self, ended):
        assert run_json("expire_credits", limit=0)["accounts"] == 0

    def test_continues_and_names_the_accounts_it_left_out(self, ended, make_owner):
        other = CreditAccount.objects.for_owner(make_owner())
        with ledger_clock(timezone.now()) as clock:
            end = clock.now + timedelta(hours=1)
            other.add_credits(5, "Trial", credit_type="trial", expires_at=end)
        with unguarded() as cursor:
            cursor.execute(
                "UPDATE quickscale_credits_creditaccount SET posted = 0 WHERE id = %s", [ended.pk]
            )
        out = StringIO()
        with pytest.raises(CommandError, match=f"account {ended.pk}"):
            call_command("expire_credits", json=True, stdout=out)
        told = json.loads(out.getvalue())
        assert told["accounts"] == 1
        assert told["failed"] == [{"account": ended.pk, "owner": str(ended)}]
        assert other.transactions.filter(kind="expire").exists()
        with pytest.raises(CommandError, match=re.escape(str(ended))):
            run("expire_credits")


class TestVerifyLedger:
    def test_says_that_all_is_sound(self, account):
        account.add_credits(5, "Bought")

        assert run("verify_ledger") == "The ledger is sound (accounts: 1).\n"
        assert run_json("verify_ledger") == {"accounts": 1, "sound": True, "discrepancies": []}

    def test_shows_its_progress_on_a_terminal(self, db, make_owner):
        for _ in range(250):
            CreditAccount.objects.for_owner(make_owner())
        terminal = StringIO()
        terminal.isatty = lambda: True
        call_command("verify_ledger", stdout=StringIO(), stderr=terminal)
        assert re.findall(r"\d+%", terminal.getvalue()) == ["80%", "100%"]

    def test_finds_what_is_wrong_and_ends_with_status_1(self, member, account, capsys):
        account.add_credits(5, "Bought")
        with unguarded() as cursor:
            cursor.execute("UPDATE quickscale_credits_creditaccount SET posted = 7")

        out = StringIO()
        with pytest.raises(CommandError, match="2 figures are wrong") as caught:
            call_command("verify_ledger", member.email, json=True, stdout=out)

        answer = json.loads(out.getvalue())
        assert caught.value.returncode == 1
        assert answer["sound"] is False
        assert {row["actual"] for row in answer["discrepancies"]} == {"7.0000"}


class TestRebuildBalances:
    @pytest.fixture
    def broken(self, account):
        account.add_credits(5, "Bought")
        with unguarded() as cursor:
            cursor.execute("UPDATE quickscale_credits_creditaccount SET posted = 7")
            cursor.execute("UPDATE quickscale_credits_creditlot SET remaining = 4")
        return account

    def test_corrects_every_account_with_wrong_figures(self, broken):
        answer = run_json("rebuild_balances", all=True)

        broken.refresh_from_db()
        assert broken.posted == 5
        assert broken.get_balance() == 5
        assert answer["accounts"] == 1
        assert len(answer["corrected"]) == 3
        assert answer["left"] == []

    def test_a_dry_run_corrects_nothing(self, broken, member):
        assert "Would correct 3 figures." in run("rebuild_balances", member.email, dry_run=True)
        broken.refresh_from_db()
        assert broken.posted == 7

    def test_a_wrong_journal_is_left_to_people(self, account):
        account.add_credits(5, "Bought")
        with unguarded() as cursor:
            cursor.execute("UPDATE quickscale_credits_credittransaction SET sequence = 3")

        with pytest.raises(CommandError, match="Only a person can correct"):
            run("rebuild_balances", all=True)

    @pytest.mark.parametrize("arguments", [[], ["someone@example.com", "--all"]])
    def test_needs_owners_or_all(self, arguments, db):
        with pytest.raises(CommandError, match="Name owners, or use --all"):
            run("rebuild_balances", *arguments)


class TestAddCredits:
    def test_adds(self, member, account):
        assert "Added 12.5000 credits" in run("add_credits", member.email, "12.5", "Gift")
        assert account.get_balance_by_type()["payg"] == Decimal("12.5")

    def test_a_type_that_ends(self, member, account):
        run("add_credits", member.email, "5", "Trial", "--type=trial", "--expires=2999-01-31")

        lot = account.lots.get()
        assert lot.credit_type == "trial"
        assert timezone.localtime(lot.expires_at).date().isoformat() == "2999-01-31"

    def test_finds_an_owner_by_key(self, owner, account):
        answer = run_json("add_credits", str(owner.pk), "5", "Gift")

        assert (answer["amount"], answer["available"]) == ("5.0000", "5.0000")

    def test_a_key_adds_once(self, member, account):
        for _ in range(2):
            run("add_credits", member.email, "5", "Gift", key="gift-1")

        assert account.get_balance() == 5

    def test_a_dry_run_adds_nothing(self, member, account):
        assert "Would add 5.0000" in run("add_credits", member.email, "5", "Gift", dry_run=True)
        assert not CreditTransaction.objects.exists()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["x@y.z", "5", "Gift"], "No user has the email address"),
            (["nonsense", "5", "Gift"], "There is no [a-z]+ with the key"),
            (["--", "owner@example.com", "-5", "Gift"], "not above zero"),
            (["owner@example.com", "5", " "], "description"),
            (["owner@example.com", "5", "Plan", "--type=subscription"], "expires_at"),
            (["owner@example.com", "5", "Gift", "--expires=soon"], "invalid parse_moment value"),
        ],
    )
    def test_says_what_is_wrong(self, member, arguments, message):
        with pytest.raises(CommandError, match=message):
            run("add_credits", *arguments)
        assert not CreditTransaction.objects.exists()


class TestCheckCredits:
    def test_shows_the_balance(self, member, account):
        end = timezone.now() + timedelta(days=3)
        account.add_credits(5, "Trial", credit_type="trial", expires_at=end)
        account.add_credits(10, "Bought")
        account.hold_credits(2, "Work", ttl=timedelta(minutes=5))

        [row] = run_json("check_credits", member.email)

        assert (row["available"], row["held"]) == ("13.0000", "2.0000")
        assert row["expiring_in_7_days"] == "3.0000"
        assert {type_["type"]: type_["amount"] for type_ in row["by_type"]} == {
            "trial": "5.0000",
            "payg": "10.0000",
        }
        assert "13.0000 available, 2.0000 held" in run("check_credits", member.email)

    def test_ends_with_status_1_below_a_limit(self, owner, member, account):
        account.add_credits(5, "Bought")

        run("check_credits", member.email, at_least=Decimal(5))
        with pytest.raises(CommandError, match=r"Fewer than 5\.5 credits: owner@example\.com"):
            run("check_credits", member.email, "--at-least=5.5")


class TestConfigureService:
    def test_makes_and_changes_a_service(self, db):
        run("configure_service", "ocr", name="Read a page", cost="1.5", unit="page")
        run("configure_service", "ocr", "--cost=2", "--off", "--order=3")

        service = Service.objects.get(slug="ocr")
        assert (service.name, service.cost_of(1), service.unit) == ("Read a page", 2, "page")
        assert (service.is_active, service.display_order) == (False, 3)

    def test_shows_one_and_all(self, services):
        assert run("configure_service", "shout") == "shout: Shout, 2 credits for each letter\n"
        assert "whisper: Whisper, 0 credits" in run("configure_service")
        codes = [row["code"] for row in run_json("configure_service")]
        assert codes == ["shout", "whisper"]

    def test_sets_prices_by_meter_dimension_and_time(self, services):
        run("configure_service", "shout", "--cost=3", "--meter=input", "--per=1000000")
        text = run(
            "configure_service", "shout", "--cost=0.0000001", "--meter=input",
            "--dimension=small", "--from=2999-01-31",
        )  # fmt: skip

        assert text == (
            "shout: Shout, 3 credits for 1000000 input; 0.0000001 credits for each input of small "
            "from 2999-01-31 00:00 UTC; 2 credits for each letter\n"
        )
        assert [
            (row["meter"], row["dimension"], row["cost"], row["per"], row["status"])
            for row in run_json("configure_service", "shout")["prices"]
        ] == [
            ("input", "", "3", 1000000, "in force"),
            ("input", "small", "0.0000001", 1, "coming"),
            ("units", "", "2", 1, "in force"),
        ]

    def test_a_dry_run_changes_nothing(self, services):
        assert "Would be: shout: Shout, 9 credits" in run(
            "configure_service", "shout", cost="9", dry_run=True
        )
        assert Service.objects.get(slug="shout").cost_of(1) == 2

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["ocr"], "a new one needs --name, --cost"),
            (["shout", "--cost=-1"], "unit_price"),
            (["shout", "--cost=cheap"], "unit_price"),
            (["shout", "--cost=0.00000000001"], "unit_price: .*10 decimal places"),
            (["shout", "--cost=1", "--per=0"], "per"),
            (["shout", "--cost=1", "--from=2020-01-01"], "There is already a price for that time"),
            (["shout", "--cost=1", "--from=soon"], "'soon' is not a time"),
            (["shout", "--per=1000"], "A price needs --cost"),
            (["not a code", "--name=X", "--cost=1"], "slug"),
        ],
    )
    def test_says_what_is_wrong(self, services, arguments, message):
        with pytest.raises(CommandError, match=message):
            run("configure_service", *arguments)


class TestDeliverCreditEvents:
    def test_delivers_what_is_left(self, account):
        account.add_credits(5, "Bought")

        assert run_json("deliver_credit_events", dry_run=True)["left"] == 1
        assert run_json("deliver_credit_events") == {
            "delivered": 1,
            "purged": 0,
            "left": 0,
            "dry_run": False,
        }

    def test_purges_what_is_old(self, account):
        account.add_credits(5, "Bought")
        run("deliver_credit_events")
        CreditEvent.objects.update(delivered_at=F("created_at") - timedelta(days=40))

        assert "deleted 1" in run("deliver_credit_events", purge=30)


class TestLoadSampleCredits:
    @pytest.fixture(autouse=True)
    def debug(self, settings):
        settings.DEBUG = True

    def test_gives_months_of_history(self, owner, member):
        run("load_sample_credits", member.email)

        account = CreditAccount.objects.for_owner(owner)
        entries = account.transactions.order_by("sequence")
        kinds = set(entries.values_list("kind", flat=True))
        times = [entry.created_at for entry in entries]
        assert {"grant", "consume", "expire"} <= kinds
        assert entries.count() > 50
        assert times == sorted(times)
        assert (times[-1] - times[0]).days > 80
        # All are gifts, because there was no payment and no plan.
        types = set(account.lots.values_list("credit_type", flat=True))
        assert types == {"trial", "bonus"}
        assert account.get_balance_by_type()["bonus"] > 0
        assert account.get_balance_by_type()["trial"] > 0
        assert ServiceUsage.objects.filter(account=account, transaction=None).exists()

    def test_a_second_run_adds_nothing(self, member):
        [(email, entries)] = run_json("load_sample_credits", member.email).items()
        before = CreditTransaction.objects.count()

        assert (email, entries) == (member.email, before)
        assert "already" in run("load_sample_credits", member.email)
        assert CreditTransaction.objects.count() == before

    def test_announces_nothing_of_the_past(self, member):
        run("load_sample_credits", member.email)

        assert not CreditEvent.objects.filter(delivered_at=None).exists()

    def test_the_clock_runs_again_after_it(self, owner, member):
        run("load_sample_credits", member.email)

        account = CreditAccount.objects.for_owner(owner)
        first, second = (account.add_credits(1, "Now") for _ in range(2))
        assert first.created_at < second.created_at

    def test_needs_debug(self, member, settings):
        settings.DEBUG = False

        with pytest.raises(CommandError, match="DEBUG is off"):
            run("load_sample_credits", member.email)

    def test_needs_users_that_exist(self, db):
        with pytest.raises(CommandError, match=r"No user has the email address x@y\.z"):
            run("load_sample_credits", "x@y.z")


class TestImportCredits:
    @pytest.fixture
    def file(self, owner, member, tmp_path):
        path = tmp_path / "credits.csv"
        path.write_text(f"owner,amount,description\n{member.email},5,Gift\n")
        return str(path)

    def test_adds_once(self, account, file):
        for _ in range(2):
            assert "Added 5.0000 credits to 1 accounts." in run("import_credits", file)

        assert account.get_balance() == 5

    def test_a_dry_run_adds_nothing(self, account, file):
        answer = run_json("import_credits", file, dry_run=True)

        assert (answer["rows"], answer["credits"], answer["problems"]) == (1, "5.0000", [])
        assert account.get_balance() == 0

    def test_a_wrong_line_stops_all(self, account, file):
        with open(file, "a") as lines:
            lines.write("x@y.z,5,Gift\n")

        with pytest.raises(CommandError, match="Nothing was added:\nline 3: No user"):
            run("import_credits", file)
        assert account.get_balance() == 0

    def test_the_file_must_be_there(self, db):
        with pytest.raises(CommandError, match="No such file"):
            run("import_credits", "/nowhere/credits.csv")
