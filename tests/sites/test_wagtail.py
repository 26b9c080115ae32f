"""The real Wagtail: its pages are metered, and its admin deletes users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.urls import reverse

if not apps.is_installed("wagtail"):
    pytest.skip("needs Wagtail: tox -e wagtail", allow_module_level=True)

from quickscale_credits.models import CreditAccount, CreditHold, ServiceUsage
from quickscale_credits.services import create_missing_rows, register_temporarily
from tests.owners import make_user
from tests.quickscale_credits.surface import Shout

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def pages(db: None) -> Any:
    from wagtail.models import Page, Site

    from tests.projects.wagtail_site.pages.models import BrokenPage, PaidPage

    root = Page.get_first_root_node()
    home = root.add_child(instance=Page(title="Home", slug="front"))
    for model, slug in ((PaidPage, "paid"), (BrokenPage, "broken")):
        home.add_child(instance=model(title=slug.title(), slug=slug))
    Site.objects.update_or_create(
        is_default_site=True, defaults={"hostname": "testserver", "root_page": home}
    )
    with register_temporarily(Shout):
        create_missing_rows()
        yield


@pytest.fixture
def reader(client: Client) -> Any:
    user = make_user("reader@example.com")
    CreditAccount.objects.for_owner(user).add_credits(10, "Bought")
    client.force_login(user)
    return user


@pytest.mark.usefixtures("pages")
class TestAPage:
    def test_is_paid_once_it_is_rendered(self, client: Client, reader: Any) -> None:
        response = client.get("/paid/")

        assert b"<h1>Paid</h1>" in response.content
        assert reader.credit_account.get_balance() == 8
        assert ServiceUsage.objects.get().cost == 2

    def test_that_cannot_be_rendered_costs_nothing(self, client: Client, reader: Any) -> None:
        client.raise_request_exception = False

        assert client.get("/broken/").status_code == 500
        assert reader.credit_account.get_available_balance() == 10
        assert CreditHold.objects.get().status == "released"

    def test_asks_visitors_to_sign_in(self, client: Client) -> None:
        assert client.get("/paid/").status_code == 302

    def test_asks_for_credits(self, client: Client, reader: Any) -> None:
        reader.credit_account.remove_credits(9, "Gone")

        assert client.get("/paid/").status_code == 402
        problem = client.get("/paid/", headers={"Accept": "application/json"})
        assert problem.json()["code"] == "insufficient_credits"


@pytest.mark.parametrize("history", [True, False])
def test_wagtails_admin_deletes_a_user(admin_client: Client, history: bool) -> None:
    user = make_user("gone@example.com")
    account = CreditAccount.objects.for_owner(user)
    if history:
        account.add_credits(10, "Bought")

    response = admin_client.post(reverse("wagtailusers_users:delete", args=[user.pk]))

    assert response.status_code == 302
    assert not get_user_model().objects.filter(pk=user.pk).exists()
    assert CreditAccount.objects.exists() is history
