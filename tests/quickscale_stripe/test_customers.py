from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command
from django.db import connection

from quickscale.owner import owner_email
from quickscale_stripe.billing import customers
from quickscale_stripe.client import get_client, using
from quickscale_stripe.exceptions import StripeRefusedError, StripeUnavailableError
from quickscale_stripe.models import StripeCustomer
from quickscale_stripe_sandbox import Sandbox
from quickscale_stripe_sandbox.recording import Recorded, RecordingHTTPClient
from tests.owners import make_owner
from tests.quickscale_stripe.conftest import Unreachable, UseClient

pytestmark = pytest.mark.django_db


def remote_customers() -> int:
    return len(get_client().v1.customers.list({"limit": 100}).data)


def test_a_customer_is_made_on_first_use_and_used_again(sandbox: Sandbox, owner: Any) -> None:
    customer = customers.ensure(owner)
    assert customers.ensure(owner) == customer
    remote = get_client().v1.customers.retrieve(customer.stripe_id or "")
    assert (remote.email or "") == owner_email(owner)
    assert remote.metadata is not None
    assert remote.metadata["quickscale_customer"] == str(customer.reference)
    assert remote_customers() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_requests_at_once_make_one(sandbox: Sandbox, owner: Any) -> None:
    def ensure(_: int) -> str | None:
        try:
            return customers.ensure(owner).stripe_id
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ensure, range(8)))) == 1
    assert remote_customers() == 1


def test_a_request_that_died_after_stripe_s_answer_makes_no_second_one(
    sandbox: Sandbox, owner: Any
) -> None:
    first = customers.ensure(owner).stripe_id
    StripeCustomer.objects.update(stripe_id=None, sent_email="", synced_at=None)
    assert customers.ensure(owner).stripe_id == first


def test_a_new_address_of_the_owner_goes_to_stripe(sandbox: Sandbox, owner: Any) -> None:
    customer = customers.ensure(owner)
    owner.email = "ada@lovelace.example"
    owner.save()
    customers.ensure(owner)
    assert get_client().v1.customers.retrieve(customer.stripe_id or "").email == owner.email
    assert remote_customers() == 1


def test_an_address_that_the_customer_changed_at_stripe_stays(sandbox: Sandbox, owner: Any) -> None:
    customer = customers.ensure(owner)
    get_client().v1.customers.update(customer.stripe_id or "", {"email": "bills@example.com"})
    sandbox.deliver()
    customer.refresh_from_db()
    assert customer.email == "bills@example.com"

    customers.ensure(owner)

    remote = get_client().v1.customers.retrieve(customer.stripe_id or "")
    assert remote.email == "bills@example.com"


def test_a_customer_deleted_at_stripe_is_made_again_when_used(sandbox: Sandbox, owner: Any) -> None:
    customer = customers.ensure(owner)
    old = customer.stripe_id
    get_client().v1.customers.delete(old or "")
    sandbox.deliver()
    customer.refresh_from_db()
    assert customer.deleted_at

    new = customers.ensure(owner)

    assert new.stripe_id != old
    assert new.deleted_at is None
    assert customers.find(metadata=customers.metadata_for(new)) == new


def test_test_and_live_customers_are_separate(sandbox: Sandbox, owner: Any) -> None:
    first = customers.ensure(owner).stripe_id
    StripeCustomer.objects.update(livemode=True)
    assert customers.ensure(owner).stripe_id != first


def test_a_stripe_that_is_down_leaves_no_half_customer(
    sandbox: Sandbox, owner: Any, use_client: UseClient
) -> None:
    use_client(Unreachable())
    with pytest.raises(StripeUnavailableError):
        customers.ensure(owner)
    assert not StripeCustomer.objects.filter(stripe_id__isnull=False).exists()


def test_no_empty_value_is_sent(sandbox: Sandbox, recorded: list[Recorded]) -> None:
    """A user who signed up by email address has no name; a team has a name and no address."""
    owner = make_owner("nameless@example.com")
    customers.ensure(owner)
    [made] = [one for one in recorded if one.path == "/v1/customers"]
    known = {"email": customers.contact(owner)[0], "name": customers.contact(owner)[1]}
    assert {name: made.params.get(name, "") for name in known} == known
    assert "" not in made.params.values()


def test_a_wrong_key_does_not_lose_a_customer_of_another_mode(
    sandbox: Sandbox, owner: Any, use_client: UseClient
) -> None:
    customer = customers.ensure(owner)
    message = (
        "No such customer; a similar object exists in live mode, but a test mode key was used."
    )

    class OfAnotherMode(RecordingHTTPClient):
        def request(self, *args: Any, **kwargs: Any) -> Any:
            error = {"code": "resource_missing", "message": message}
            return json.dumps({"error": error}), 404, {}

    use_client(OfAnotherMode(sandbox))
    with pytest.raises(StripeRefusedError):
        customers.sync(customer.stripe_id or "")
    customer.refresh_from_db()
    assert customer.is_usable


class TestOwnersChanges:
    """Email address and name go to Stripe when they change, not only at the next purchase."""

    @pytest.fixture(autouse=True)
    def _owners_with_an_address(self, owner: Any) -> None:
        if not hasattr(owner, "email"):
            pytest.skip("These owners have no address of their own.")

    def test_go_to_stripe_once_they_are_committed(
        self, sandbox: Sandbox, owner: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        customer = customers.ensure(owner)
        owner.email = "ada@lovelace.example"
        with django_capture_on_commit_callbacks(execute=True) as sent:
            owner.save(update_fields=["email"])
        assert len(sent) == 1
        remote = get_client().v1.customers.retrieve(customer.stripe_id or "")
        assert remote.email == owner.email
        customer.refresh_from_db()
        assert customer.email == owner.email

    def test_that_do_not_concern_stripe_send_nothing(
        self,
        sandbox: Sandbox,
        owner: Any,
        django_capture_on_commit_callbacks: Any,
        django_assert_num_queries: Any,
    ) -> None:
        customers.ensure(owner)
        with django_capture_on_commit_callbacks() as sent:
            owner.save()
            with django_assert_num_queries(1):
                owner.save(update_fields=["last_login"])
            make_owner("new@example.com").save()
        assert sent == []

    def test_do_not_fail_when_stripe_does(
        self,
        sandbox: Sandbox,
        owner: Any,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        customer = customers.ensure(owner)
        owner.email = "ada@lovelace.example"
        with using(Unreachable()), django_capture_on_commit_callbacks(execute=True):
            owner.save()
        call_command("sync_customers")
        remote = get_client().v1.customers.retrieve(customer.stripe_id or "")
        assert remote.email == owner.email

    def test_wait_for_nothing_where_tasks_are_used(
        self,
        sandbox: Sandbox,
        owner: Any,
        settings: Any,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        tasks = pytest.importorskip("quickscale_stripe.events.tasks", exc_type=ImportError)
        settings.QUICKSCALE_STRIPE_WEBHOOK_TASKS = True
        settings.TASKS = {"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}
        customers.ensure(owner)
        owner.email = "ada@lovelace.example"
        with django_capture_on_commit_callbacks(execute=True):
            owner.save()
        [result] = tasks.follow_owner.get_backend().results
        assert result.args == [str(owner.pk)]
        result.task.func(*result.args)
        assert StripeCustomer.objects.get().email == owner.email


class TestSyncCommand:
    def test_survives_unknown_and_wrong_customers_and_sums_up(
        self, sandbox: Sandbox, capsys: Any, use_client: UseClient
    ) -> None:
        gone, live, broken, good = (
            customers.ensure(make_owner(f"{name}@example.com"))
            for name in ("gone", "live", "broken", "good")
        )
        get_client().v1.customers.delete(gone.stripe_id or "")
        StripeCustomer.objects.filter(pk=live.pk).update(livemode=True, stripe_id="cus_live")
        get_client().v1.customers.update(good.stripe_id or "", {"name": "Good"})

        class FailsOnce(RecordingHTTPClient):
            def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
                if str(broken.stripe_id) in url:
                    raise stripe.APIConnectionError("too many requests")
                return super().request(method, url, *args, **kwargs)

        use_client(FailsOnce(sandbox))
        with pytest.raises(CommandError, match="1 up to date, 1 gone, 1 failed"):
            call_command("sync_customers")
        assert "too many requests" in capsys.readouterr().err
        good.refresh_from_db()
        gone.refresh_from_db()
        assert (good.name, gone.is_usable) == ("Good", False)

    def test_stops_when_nobody_answers(
        self, sandbox: Sandbox, use_client: UseClient, capsys: Any
    ) -> None:
        for number in range(7):
            customers.ensure(make_owner(f"user{number}@example.com"))
        use_client(Unreachable())
        with pytest.raises(CommandError, match=r"be reached\. 0 up to date, 0 gone, 5 failed"):
            call_command("sync_customers")


def test_references_from_elsewhere_find_nobody(sandbox: Sandbox, owner: Any) -> None:
    customers.ensure(owner)
    assert customers.find(metadata={"quickscale_customer": "no-uuid"}) is None
    assert customers.find(stripe_id="cus_unknown") is None
    assert customers.find() is None
