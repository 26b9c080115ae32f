from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from quickscale_credits import ledger
from quickscale_credits.internal import outbox
from quickscale_credits.internal.imports import BadFileError, import_credits
from quickscale_credits.models import (
    CreditAccount,
    CreditEvent,
    CreditTransaction,
    Service,
    ServiceUsage,
)
from quickscale_credits.pricing import set_price
from quickscale_credits.testing import ServiceFactory
from tests.quickscale_credits.surface import member_of

pytestmark = pytest.mark.django_db

ADMIN = "/admin/quickscale_credits"
ACCOUNTS = f"{ADMIN}/creditaccount/"
MODELS = [
    "accountchange",
    "creditaccount",
    "credittransaction",
    "creditlot",
    "credithold",
    "creditevent",
    "service",
    "serviceprice",
    "serviceusage",
]


@pytest.fixture
def staff(admin_client):
    return admin_client


@pytest.fixture
def accounts(db, make_owner):
    owners = {name: make_owner(name) for name in (f"u{number}@example.com" for number in range(5))}
    for name, owner in owners.items():
        member_of(owner, name)
    return [CreditAccount.objects.for_owner(owner) for owner in owners.values()]


def text(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def key_of(response) -> str:
    found = re.search(r'name="key" value="([^"]+)"', response.content.decode())
    assert found
    return found[1]


def fill(account: CreditAccount, service: Service) -> None:
    ledger.set_low_balance(account=account, threshold=account.next_sequence, reason="Asked for")
    account.add_credits(10, "Plan", credit_type="bonus")
    account.add_credits(10, "Bought")
    account.hold_credits(1, "Work", ttl=timedelta(minutes=5))
    entry = account.consume_credits(3, "Used", service=service)
    ServiceUsage.objects.create(service=service, account=account, transaction=entry, cost=3)


@pytest.mark.parametrize("model", MODELS)
def test_a_list_needs_no_more_queries_for_many_rows(staff, accounts, services, model):
    service = services["shout"]
    fill(accounts[0], service)
    for_few = count_queries(staff, model)
    for account in accounts[1:]:
        fill(account, service)
    for number in range(5):
        ServiceFactory(name=f"S{number}", slug=f"s{number}", cost=1)

    assert count_queries(staff, model) == for_few <= 12


def count_queries(staff, model: str) -> int:
    staff.get(f"{ADMIN}/{model}/")
    with CaptureQueriesContext(connection) as captured:
        assert staff.get(f"{ADMIN}/{model}/").status_code == 200
    return len(captured)


@pytest.mark.parametrize("model", MODELS)
def test_lists_are_searched_by_owner(staff, accounts, services, model):
    fill(accounts[0], services["shout"])

    response = staff.get(f"{ADMIN}/{model}/?q=u0@example")

    assert response.status_code == 200


def test_a_page_needs_no_more_queries_for_many_entries(
    staff, accounts, services, django_assert_max_num_queries
):
    for _ in range(8):
        fill(accounts[0], services["shout"])
    entry = CreditTransaction.objects.latest("pk")

    with django_assert_max_num_queries(14):
        staff.get(f"{ACCOUNTS}{accounts[0].pk}/change/")
    with django_assert_max_num_queries(10):
        response = staff.get(f"{ADMIN}/credittransaction/{entry.pk}/change/")
    assert "Bonus" in text(response)


def test_links_name_an_account_by_its_plain_number(staff, accounts, settings):
    settings.USE_THOUSAND_SEPARATOR = True
    CreditAccount.objects.filter(pk=accounts[0].pk).update(id=4321)
    page = staff.get(f"{ACCOUNTS}4321/change/").content.decode()
    assert page.count("?account__id__exact=4321") == 2


@pytest.mark.parametrize("model", ["credittransaction", "creditlot", "credithold", "serviceusage"])
def test_a_list_shows_the_zone_of_its_times(staff, accounts, services, model):
    fill(accounts[0], services["shout"])

    assert re.search(r"\d (a|p)\.m\. UTC", text(staff.get(f"{ADMIN}/{model}/")))


class TestAccounts:
    def test_show_balances_by_type(self, staff, accounts, services):
        fill(accounts[0], services["shout"])
        end = timezone.now() + timedelta(days=5)
        accounts[0].add_credits(7, "Plan", credit_type="subscription", expires_at=end)

        row = re.search(r"u0@example.com.*?</tr>", staff.get(ACCOUNTS).content.decode(), re.S)[0]
        cells = re.findall(r'class="field-(\w+)">([^<]*)<', row)

        assert cells == [
            ("status", "Active"),
            ("available", "23"),
            ("on_hold", "1"),
            ("subscription", "7"),
            ("payg", "10"),
            ("others", "7"),
        ]

    def test_an_account_is_opened_for_somebody_who_never_visited(self, staff, make_owner):
        owner = make_owner("new@example.com")
        member_of(owner, "new@example.com")
        assert "add/" in staff.get(ACCOUNTS).content.decode()
        assert "email address" in text(staff.get(f"{ACCOUNTS}add/"))

        opened = staff.post(f"{ACCOUNTS}add/", {"owner": "New@Example.com"}, follow=True)

        account = CreditAccount.objects.get(owner=owner)
        assert opened.redirect_chain[0][0] == f"{ACCOUNTS}{account.pk}/change/"
        assert "Add credits here" in text(opened)
        again = staff.post(f"{ACCOUNTS}add/", {"owner": str(owner.pk)})
        assert again["Location"] == f"{ACCOUNTS}{account.pk}/change/"

        entries = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
        assert "added" in entries[0]
        assert entries[1] == "Looked up: the owner already had an account."
        popup = staff.post(f"{ACCOUNTS}add/?_popup=1", {"owner": str(owner.pk), "_popup": "1"})
        assert "data-popup-response" in popup.content.decode()
        more = staff.post(f"{ACCOUNTS}add/", {"owner": str(owner.pk), "_addanother": "1"})
        assert more["Location"] == f"{ACCOUNTS}add/"
        nobody = text(staff.post(f"{ACCOUNTS}add/", {"owner": "gone@example.com"}))
        assert "No user has the email address gone@example.com" in nobody
        assert CreditAccount.objects.count() == 1

    def test_opening_an_account_needs_the_permission(self, client, make_user, make_owner):
        staff = make_user("helper@example.com")
        type(staff)._default_manager.filter(pk=staff.pk).update(is_staff=True)
        client.force_login(staff)
        owner = make_owner("new@example.com")
        data = {"owner": str(owner.pk)}
        assert client.post(f"{ACCOUNTS}add/", data).status_code == 403
        assert not CreditAccount.objects.exists()

    def test_cannot_be_edited_or_deleted(self, staff, accounts):
        change = f"{ACCOUNTS}{accounts[0].pk}/change/"
        accounts[1].add_credits(1, "Gift")

        assert staff.post(f"{ACCOUNTS}{accounts[1].pk}/delete/").status_code == 403
        staff.post(change, {"low_balance_threshold": "5", "posted": "999", "status": "closed"})

        accounts[0].refresh_from_db()
        assert (accounts[0].posted, accounts[0].status) == (0, "active")
        assert accounts[0].low_balance_threshold == 5

    def test_are_frozen_and_unfrozen_for_a_reason(self, staff, accounts, admin_user):
        selected = {"_selected_action": [account.pk for account in accounts[:2]]}
        for action, status in (("freeze", "frozen"), ("unfreeze", "active")):
            data = {**selected, "action": action}
            page = staff.post(ACCOUNTS, data)
            assert "u0@example.com" in text(page).lower()
            data |= {"key": key_of(page), "confirm": "1"}
            assert "This field is required" in text(staff.post(ACCOUNTS, {**data, "reason": " "}))
            assert not accounts[0].changes.filter(new=status).exists()
            staff.post(ACCOUNTS, {**data, "reason": "Chargeback"})
            for account in accounts[:2]:
                change = account.changes.first()
                assert (change.new, change.actor, change.reason) == (
                    status,
                    admin_user,
                    "Chargeback",
                )


class TestAddAndRemove:
    @pytest.fixture
    def url(self, accounts):
        return f"{ACCOUNTS}{accounts[0].pk}"

    def add(self, staff, url, **data):
        key = key_of(staff.get(f"{url}/add-credits/"))
        data = {"amount": "5", "credit_type": "bonus", "description": "Sorry", "key": key, **data}
        return staff.post(f"{url}/add-credits/", data)

    def test_adding_records_who_and_why(self, staff, accounts, admin_user, url):
        response = self.add(staff, url)

        entry = accounts[0].transactions.get()
        assert response.status_code == 302
        assert (entry.amount, entry.description, entry.actor) == (5, "Sorry", admin_user)
        assert "Sorry" in LogEntry.objects.get().change_message

    def test_the_same_form_twice_adds_once(self, staff, accounts, url):
        key = key_of(staff.get(f"{url}/add-credits/"))
        for _ in range(2):
            self.add(staff, url, key=key)

        assert accounts[0].get_balance() == 5

    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            ({"amount": "0"}, "Give a number above zero."),
            ({"amount": "1.00001"}, "no more than 4 decimal places"),
            ({"description": " "}, "This field is required."),
            ({"credit_type": "subscription"}, "Subscription credits need an end."),
            (
                {"credit_type": "payg", "expires_at": "2999-01-01T00:00"},
                "Pay-as-you-go credits never end.",
            ),
            ({"expires_at": "2001-01-01T00:00"}, "expires_at"),
        ],
    )
    def test_a_bad_form_adds_nothing(self, staff, accounts, url, data, problem):
        response = self.add(staff, url, **data)

        assert problem in text(response)
        assert not accounts[0].transactions.exists()

    def test_removing(self, staff, accounts, url):
        accounts[0].add_credits(5, "Bought")
        key = key_of(staff.get(f"{url}/remove-credits/"))

        data = {"amount": "2", "description": "Put right", "key": key}
        staff.post(f"{url}/remove-credits/", data)

        assert accounts[0].get_balance() == 3

    def test_removing_too_much_is_refused(self, staff, accounts, url):
        key = key_of(staff.get(f"{url}/remove-credits/"))

        data = {"amount": "2", "description": "Put right", "key": key}
        response = staff.post(f"{url}/remove-credits/", data)

        assert "2.0000 are missing" in text(response)

    def test_needs_the_permission_to_change(self, client, make_user, url):
        viewer = make_user("view@example.com")
        viewer.is_staff = True
        viewer.save()
        viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_credit"))
        client.force_login(viewer)

        assert client.get(ACCOUNTS).status_code == 200
        assert client.get(f"{url}/change/").status_code == 200
        for page in (f"{url}/add-credits/", f"{url}/remove-credits/", f"{ACCOUNTS}import/"):
            assert client.get(page).status_code == 403
        selected = {"_selected_action": [1], "action": "freeze"}
        client.post(ACCOUNTS, selected)
        assert not CreditAccount.objects.filter(status="frozen").exists()


class TestBulkAdd:
    def begin(self, staff, accounts) -> str:
        selected = [account.pk for account in accounts]
        response = staff.post(ACCOUNTS, {"action": "add_to_selected", "_selected_action": selected})
        return response.url

    def data(self, url, **more):
        job = url.strip("/").split("/")[-1]
        return {
            "amount": "5",
            "credit_type": "bonus",
            "description": "Gift",
            "key": job,
            **more,
        }

    def test_a_preview_shows_the_effect_and_adds_nothing(self, staff, accounts):
        CreditAccount.objects.filter(pk=accounts[0].pk).update(status="closed")
        url = self.begin(staff, accounts)

        response = staff.post(url, self.data(url))

        assert "4 accounts would get the credits." in text(response)
        assert "u0@example.com: The credit account is closed." in text(response)
        assert not CreditTransaction.objects.exists()

    def test_runs_in_batches_with_progress(self, staff, make_owner, admin_user):
        accounts = [CreditAccount.objects.for_owner(make_owner()) for _ in range(102)]
        url = self.begin(staff, accounts)
        run = staff.post(url, self.data(url, start="1")).url
        assert '<progress id="job-progress" max="102" value="0">' in staff.get(run).content.decode()

        seen = []
        done = 0
        while done < 102:
            response = staff.post(run, {"done": done})
            done = int(re.search(r'value="(\d+)">\d+/102', response.content.decode())[1])
            seen.append(done)

        assert seen == [100, 102]
        assert "Done." in text(response)
        assert [account.get_balance() for account in accounts] == [5] * 102
        assert {entry.actor for entry in CreditTransaction.objects.all()} == {admin_user}

    def test_a_step_sent_twice_adds_once(self, staff, accounts):
        url = self.begin(staff, accounts)
        run = staff.post(url, self.data(url, start="1")).url
        for _ in range(2):
            staff.post(run, {"done": 0})

        assert accounts[0].get_balance() == 5

    def test_refused_accounts_are_reported_and_the_others_get_theirs(self, staff, accounts):
        CreditAccount.objects.filter(pk=accounts[0].pk).update(status="closed")
        url = self.begin(staff, accounts)
        run = staff.post(url, self.data(url, start="1")).url

        response = staff.post(run, {"done": 0})

        assert "U0@example.com: The credit account is closed." in text(response)
        assert accounts[1].get_balance() == 5

    def test_another_persons_job_is_not_found(self, staff, accounts):
        url = f"{ACCOUNTS}bulk/00000000-0000-0000-0000-000000000000/"

        assert staff.get(url).url == ACCOUNTS
        assert staff.post(f"{url}run/").url == ACCOUNTS

    def test_nothing_runs_before_the_form(self, staff, accounts):
        url = self.begin(staff, accounts)

        assert staff.post(f"{url}run/", {"done": "0"}).url == url
        assert not CreditTransaction.objects.exists()


GOOD = """owner,amount,description,type,expires,key
u0@example.com,5,Gift,,,
u1@example.com,2.5,Trial,trial,2999-01-31,
u0@example.com,1,Gift,bonus,2999-01-31T12:00,k1
"""


class TestImport:
    url = f"{ACCOUNTS}import/"

    def upload(self, staff, content: str | bytes):
        data = content.encode() if isinstance(content, str) else content
        file = BytesIO(data)
        file.name = "credits.csv"
        return staff.post(self.url, {"file": file})

    def test_a_preview_then_the_import(self, staff, accounts, admin_user):
        assert f'href="{self.url}"' in staff.get(ACCOUNTS).content.decode()
        preview = self.upload(staff, GOOD)
        assert "3 lines would add 8.5 credits to 2 accounts." in text(preview)
        assert not CreditTransaction.objects.exists()

        content = preview.context["form"].initial["content"]
        response = staff.post(self.url, {"content": content, "start": "1"})

        assert response.url == ACCOUNTS
        assert [account.get_balance() for account in accounts[:2]] == [6, Decimal("2.5")]
        assert accounts[0].transactions.first().actor == admin_user

    def test_problems_are_reported_by_line_and_nothing_is_written(self, staff, accounts):
        bad = GOOD + "x@y.z,1,Gift,,,\nu2@example.com,-1,Gift,,,\nu2@example.com,1,G,,soon,\n"

        response = self.upload(staff, bad)

        shown = text(response)
        assert "Nothing was added" in shown
        assert "5 No user has the email address x@y.z." in shown
        assert "6 amount" in shown
        assert "is not a date" in shown
        assert "Add the credits" not in shown
        assert not CreditTransaction.objects.exists()

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"\xff\xfe", "not UTF-8"),
            ("", "The submitted file is empty"),
            ("who,what\n", "must name the columns owner, amount, description"),
            ("owner,amount,description,colour\n", "unknown columns: colour"),
            ('owner,amount,description\n"a,b\n', "Line 2"),
        ],
    )
    def test_a_file_that_cannot_be_read_is_reported(self, staff, db, content, problem):
        assert problem in text(self.upload(staff, content))

    def test_the_same_file_again_adds_nothing(self, accounts):
        for _ in range(2):
            assert import_credits(GOOD).problems == []

        assert CreditTransaction.objects.count() == 3

    def test_a_byte_order_mark_at_the_start_does_not_matter(self, accounts):
        assert import_credits("\ufeff" + GOOD).rows == 3

    def test_too_many_lines_are_refused(self):
        with pytest.raises(BadFileError, match="more than 10000 lines"):
            import_credits("owner,amount,description\n" + "ada,1,Gift\n" * 10_001)


class TestLedger:
    def test_is_read_only(self, staff, accounts, services):
        fill(accounts[0], services["shout"])
        for row in (CreditTransaction.objects.first(), CreditEvent.objects.first()):
            url = f"{ADMIN}/{row._meta.model_name}/"
            assert staff.get(f"{url}add/").status_code == 403
            assert staff.post(f"{url}{row.pk}/change/", {"kind": "expire"}).status_code == 403
            assert staff.post(f"{url}{row.pk}/delete/", {"post": "yes"}).status_code == 403

    def test_exports_csv(self, staff, accounts, services):
        fill(accounts[0], services["shout"])
        keys = list(CreditTransaction.objects.values_list("pk", flat=True))

        response = staff.post(
            f"{ADMIN}/credittransaction/",
            {"action": "download_csv", "_selected_action": keys},
        )

        lines = b"".join(response.streaming_content).decode().splitlines()
        assert len(lines) == 4
        assert lines[0].startswith("pk,account,sequence,kind,amount")
        assert lines[3].split(",")[1:5] == ["u0@example.com", "3", "consume", "-3.0000"]

    def test_events_can_be_delivered_at_once(self, staff, accounts):
        accounts[0].add_credits(1, "Bought")
        event = CreditEvent.objects.get()
        assert outbox._claim(event)

        staff.post(f"{ADMIN}/creditevent/", {"action": "deliver", "_selected_action": [event.pk]})

        event.refresh_from_db()
        assert event.delivered_at is not None


class TestServices:
    def test_show_how_often_they_are_used(self, staff, accounts, services):
        for account in accounts[:2]:
            fill(account, services["shout"])
        old = ServiceUsage.objects.create(service=services["shout"], account=accounts[2], cost=9)
        month_ago = timezone.now() - timedelta(days=31)
        ServiceUsage.objects.filter(pk=old.pk).update(created_at=month_ago)

        page = staff.get(f"{ADMIN}/service/").content.decode()

        row = re.search(r">Shout<.*?</tr>", page, re.S)[0]
        figures = dict(re.findall(r'class="field-(uses|spent|accounts)">([^<]*)<', row))
        assert figures == {"uses": "2", "spent": "6", "accounts": "2"}

    def test_analytics_by_day(self, staff, accounts, services):
        fill(accounts[0], services["shout"])

        page = text(staff.get(f"{ADMIN}/service/{services['shout'].pk}/usage/"))
        unused = text(staff.get(f"{ADMIN}/service/{services['whisper'].pk}/usage/"))

        assert "Together 1 1 3 1" in page
        assert "3 credits for each use." in page
        assert "Nobody used it." in unused

    def test_are_switched_in_bulk(self, staff, services):
        keys = [service.pk for service in services.values()]
        for action, active in [("switch_off", 0), ("switch_on", len(keys))]:
            staff.post(f"{ADMIN}/service/", {"action": action, "_selected_action": keys})
            assert Service.objects.filter(is_active=True).count() == active

    def test_are_exported(self, staff, services):
        keys = [services["shout"].pk]
        data = {"action": "download_csv", "_selected_action": keys}

        response = staff.post(f"{ADMIN}/service/", data)

        lines = b"".join(response.streaming_content).decode().splitlines()
        assert lines[1] == "shout,Shout,letter,True,0,0,0"

    def test_get_a_new_price_that_follows_the_one_in_force(self, staff, services):
        service = services["shout"]
        url = f"{ADMIN}/service/{service.pk}/change/"
        data = {
            "name": "Shout", "slug": "shout", "display_order": 0, "is_active": "on",
            "prices-TOTAL_FORMS": 2, "prices-INITIAL_FORMS": 0,
            "prices-0-meter": "units", "prices-0-unit_price": "0.0000025", "prices-0-per": 1,
            "prices-1-meter": "units", "prices-1-unit_price": "3", "prices-1-per": 1000,
            "prices-1-effective_at_0": "2999-01-31", "prices-1-effective_at_1": "08:00",
        }  # fmt: skip
        for change, error in [
            ({"prices-0-unit_price": "0.00000000001"}, "no more than 10 decimal places"),
            ({"prices-1-effective_at_0": "2020-01-31"}, "There is already a price for that time"),
        ]:
            page = staff.post(url, {**data, **change})
            assert error in text(page).replace("&#x27;", "'")

        assert staff.post(url, data).status_code == 302

        page = text(staff.get(url))
        assert service.cost_of(1000) == Decimal("0.0025")
        assert re.search(r"units any other 3 1,000 Jan\. 31, 2999.* to come", page)
        assert re.search(r"units any other 0\.0000025 1 .* in force", page)
        assert re.search(r"units any other 2 1 .* past", page)

    def test_a_new_service_gets_its_price_with_it(self, staff):
        data = {
            "name": "Page", "slug": "page", "display_order": 0, "is_active": "on",
            "prices-TOTAL_FORMS": 1, "prices-INITIAL_FORMS": 0,
            "prices-0-meter": "units", "prices-0-unit_price": "2", "prices-0-per": 1,
        }  # fmt: skip

        assert staff.post(f"{ADMIN}/service/add/", data).status_code == 302

        assert Service.objects.get(slug="page").cost_of(3) == 6

    def test_only_a_future_price_can_be_deleted(self, staff, services):
        coming = set_price(services["shout"], 9, effective_at=timezone.now() + timedelta(days=1))
        for price, status in [(services["shout"].prices.last(), 403), (coming, 302)]:
            change = f"{ADMIN}/serviceprice/{price.pk}/change/"
            assert 'name="unit_price"' not in text(staff.get(change))
            assert staff.post(change, {"unit_price": 1}).status_code == 403
            answer = staff.post(f"{ADMIN}/serviceprice/{price.pk}/delete/", {"post": "yes"})
            assert answer.status_code == status

        assert services["shout"].prices.get().unit_price == 2

    def test_prices_are_exported(self, staff, services):
        data = {"action": "download_csv", "_selected_action": services["shout"].prices.get().pk}

        response = staff.post(f"{ADMIN}/serviceprice/", data)

        lines = b"".join(response.streaming_content).decode().splitlines()
        assert lines[1].startswith("Shout,units,,2.0000000000,1,")
        assert lines[1].endswith(",in force")

    def test_uses_of_several_meters_show_each(self, staff, accounts, services):
        ServiceUsage.objects.create(
            service=services["shout"], account=accounts[0], cost=1, units=None, dimension="small",
            quantities={"input": "1200", "output": "0.5"},
        )  # fmt: skip

        page = text(staff.get(f"{ADMIN}/serviceusage/"))

        assert "small" in page
        assert "1,200 input, 0.5 output" in page

    def test_are_never_deleted(self, staff, services):
        url = f"{ADMIN}/service/{services['shout'].pk}/delete/"

        assert staff.post(url, {"post": "yes"}).status_code == 403
