"""Existing users whose addresses have capitals, are missing, or are shared."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from quickscale_accounts import checks
from quickscale_accounts.internal.existing import prepare, survey
from quickscale_accounts.testing import UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "password"


@pytest.fixture
def add(db):
    """A function that adds users like a site's own model, which doesn't lower-case addresses."""
    user_model = get_user_model()
    table = user_model._meta.db_table
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
        for name, constraint in constraints.items():
            if constraint["columns"] == ["email"] and (
                constraint["check"] or (constraint["unique"] and not constraint["index"])
            ):
                cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"')
        cursor.execute(f"SELECT indexname FROM pg_indexes WHERE tablename = '{table}'")
        for (name,) in cursor.fetchall():
            if "email" in name:
                cursor.execute(f'ALTER TABLE "{table}" DROP CONSTRAINT IF EXISTS "{name}"')

    def with_addresses(*addresses):
        password = make_password(PASSWORD)
        users = [user_model(email=address, password=password) for address in addresses]
        return [user.pk for user in user_model.objects.bulk_create(users)]

    return with_addresses


def signs_in(client, email):
    response = client.post(reverse("account_login"), {"login": email, "password": PASSWORD})
    return getattr(response, "url", "") == "/dashboard/"


def run(*arguments):
    """Return the output of the command, and its error if somebody has to act."""
    out = StringIO()
    try:
        call_command("prepare_users", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def test_a_dry_run_counts_and_writes_nothing(add, client):
    UserFactory(email="fine@example.com")
    bob, blank, ann, other_ann = add("Bob@Example.org", "", "ann@example.com", " ANN@example.com")
    out, error = run("--dry-run")
    assert out.splitlines() == [
        "5 users.",
        "1 addresses would be converted to lower case.",
        "1 users will confirm their address by mail at the next sign-in "
        "(--mark-verified treats the addresses as confirmed).",
        f"1 users have no address: {blank}",
        f"2 users have the address ann@example.com: {ann}, {other_ann}",
    ]
    assert error == "Some users can't sign in yet; give each an address of its own."
    assert get_user_model().objects.get(pk=bob).email == "Bob@Example.org"
    assert not signs_in(client, "bob@example.org")
    assert EmailAddress.objects.count() == 1


def test_users_who_were_locked_out_can_sign_in_afterwards(add, client):
    add("Bob@Example.org", " carol@example.com ")
    assert run("--mark-verified") == (
        "2 users.\n2 addresses were converted to lower case.\n"
        "2 addresses were marked as confirmed.\n",
        "",
    )
    assert signs_in(client, "bob@example.org")
    client.session.flush()
    assert signs_in(client, "Carol@example.com")
    assert run("--mark-verified")[0] == (
        "2 users.\n0 addresses were converted to lower case.\n"
        "0 addresses were marked as confirmed.\n"
    )


def test_no_address_counts_as_confirmed_by_default(add, client):
    add("Bob@Example.org")
    prepare()
    assert not EmailAddress.objects.filter(verified=True).exists()
    response = client.post(
        reverse("account_login"), {"login": "bob@example.org", "password": PASSWORD}
    )
    assert response.url == reverse("account_email_verification_sent")


def test_the_owner_of_a_shared_address_is_not_guessed(add, client):
    add("ann@example.com", "Ann@example.com")
    verified = UserFactory(email="taken@example.com")
    [thief] = add("other@example.com")
    EmailAddress.objects.create(user=verified, email="other@example.com", verified=True)

    found = prepare(mark_verified=True)

    assert list(found.shared) == ["ann@example.com"]
    kept = get_user_model().objects.filter(email__icontains="ann@").values_list("email", flat=True)
    assert set(kept) == {"ann@example.com", "Ann@example.com"}
    assert not EmailAddress.objects.filter(user=thief).exists()
    assert not EmailAddress.objects.filter(email="ann@example.com").exists()


def test_an_address_that_waits_for_its_confirmation_is_confirmed(add):
    [key] = add("ann@example.com")
    EmailAddress.objects.create(user_id=key, email="old@example.com", primary=True)
    EmailAddress.objects.create(user_id=key, email="ann@example.com")
    prepare(mark_verified=True)
    rows = EmailAddress.objects.order_by("email").values_list("email", "verified", "primary")
    assert list(rows) == [("ann@example.com", True, False), ("old@example.com", False, True)]


def test_json_has_everything(add):
    keys = add(*[""] * 25)
    out, error = run("--dry-run", "--json")
    assert json.loads(out) == {
        "users": 25,
        "rewritten": 0,
        "unconfirmed": 0,
        "without_address": keys,
        "shared": {},
    }
    assert error
    assert run("--dry-run")[0].count(",") == 20


def test_many_users_take_few_queries(add, django_assert_max_num_queries):
    add(*(f"User{number}@example.com" for number in range(1500)))
    with django_assert_max_num_queries(16):
        prepare(mark_verified=True)
    assert survey().unconfirmed == 0


def test_a_check_warns_before_users_are_locked_out(add, monkeypatch):
    def told(**options):
        return [m.msg for m in run_checks(**options) if m.id == "quickscale_accounts.W011"]

    add("Bob@Example.org", "", "ann@example.com", "Ann@example.com", "fine@example.com")
    assert told(databases=["default"]) == []  # our own model doesn't allow such users
    monkeypatch.setattr(checks, "AbstractEmailUser", int)
    assert told() == []
    [message] = told(databases=["default"])
    assert message.startswith("4 of 5 users can't sign in")
    prepare()
    get_user_model().objects.exclude(email__in=["bob@example.org", "fine@example.com"]).delete()
    assert told(databases=["default"]) == []
