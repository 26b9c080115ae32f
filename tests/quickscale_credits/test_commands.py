from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from quickscale_credits.models import CreditAccount, CreditEvent, CreditTransaction, ServiceUsage

pytestmark = pytest.mark.django_db


def run(name: str, *args: object, **options: object) -> str:
    out = StringIO()
    call_command(name, *args, stdout=out, **options)
    return out.getvalue()


class TestLoadSampleCredits:
    @pytest.fixture(autouse=True)
    def debug(self, settings):
        settings.DEBUG = True

    def test_gives_months_of_history(self, owner):
        run("load_sample_credits", owner.email)

        account = CreditAccount.objects.for_owner(owner)
        entries = account.transactions.order_by("sequence")
        kinds = set(entries.values_list("kind", flat=True))
        times = [entry.created_at for entry in entries]
        assert {"grant", "consume", "expire"} <= kinds
        assert entries.count() > 60
        assert times == sorted(times)
        assert (times[-1] - times[0]).days > 80
        assert account.get_balance_by_type()["payg"] > 0
        assert ServiceUsage.objects.filter(account=account, transaction=None).exists()

    def test_a_second_run_adds_nothing(self, owner):
        run("load_sample_credits", owner.email)
        before = CreditTransaction.objects.count()

        assert "already" in run("load_sample_credits", owner.email)
        assert CreditTransaction.objects.count() == before

    def test_tells_no_receiver_of_the_past(self, owner):
        run("load_sample_credits", owner.email)

        assert not CreditEvent.objects.filter(delivered_at=None).exists()

    def test_the_clock_runs_again_after_it(self, owner):
        run("load_sample_credits", owner.email)

        account = CreditAccount.objects.for_owner(owner)
        first, second = (account.add_credits(1, "Now") for _ in range(2))
        assert first.created_at < second.created_at

    def test_needs_debug(self, owner, settings):
        settings.DEBUG = False

        with pytest.raises(CommandError, match="DEBUG is off"):
            run("load_sample_credits", owner.email)

    def test_needs_users_that_exist(self, owner):
        with pytest.raises(CommandError, match=r"No user has the e-mail address x@y\.z"):
            run("load_sample_credits", "x@y.z")
