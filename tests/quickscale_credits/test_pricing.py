from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import transaction

from quickscale_credits import ledger, metering
from quickscale_credits.exceptions import (
    IdempotencyConflictError,
    InactiveServiceError,
    InsufficientCreditsError,
    InvalidAmountError,
    InvalidRequestError,
    UnknownPriceError,
    UnknownServiceError,
)
from quickscale_credits.metering import charge, metered
from quickscale_credits.models import METER, Service, ServicePrice
from quickscale_credits.pricing import (
    aquote,
    listed_prices,
    price_by_list,
    price_list,
    price_use,
    quote,
    set_price,
)
from quickscale_credits.services import (
    BaseService,
    Price,
    create_missing_rows,
    metered_codes,
    register_service,
    register_temporarily,
)
from quickscale_credits.testing import ServiceFactory

DAY = timedelta(days=1)
TOO_FINE = "0.00000000001"


class Chat(BaseService):
    code = "chat"
    name = "Chat"
    prices = (
        Price("3", meter="input", per=1_000_000),
        Price("0.3", meter="cached", per=1_000_000),
        Price("15", meter="output", per=1_000_000),
        Price("0.15", meter="input", per=1_000_000, dimension="small"),
        Price("0.6", meter="output", per=1_000_000, dimension="small"),
    )


@pytest.fixture
def chat(db):
    with register_temporarily(Chat):
        create_missing_rows()
        yield Service.objects.get(slug="chat")


class TestPriceUse:
    def test_all_meters_are_summed_before_the_charge_is_rounded_up_once(self, chat):
        priced = price_use(chat, {"input": 11, "cached": 100, "output": 1})

        assert [(line.meter, line.amount) for line in priced.lines] == [
            ("input", Decimal("0.000033")),
            ("cached", Decimal("0.00003")),
            ("output", Decimal("0.000015")),
        ]
        assert priced.cost == Decimal("0.0001")  # 0.000078, and not 0.0003
        assert (priced.service, priced.dimension) == (chat, "")

    def test_a_sum_that_fits_is_not_rounded(self, chat):
        assert price_use(chat, {"input": 500, "output": 100}).cost == Decimal("0.003")

    def test_a_dimension_has_its_own_price_or_the_general_one(self, chat):
        quantities = {"input": 1_000_000, "cached": 1_000_000}
        small = price_use(chat, quantities, dimension="small")
        other = price_use(chat, quantities, dimension="new")

        assert [line.unit_price for line in small.lines] == [Decimal("0.15"), Decimal("0.3")]
        assert [line.dimension for line in small.lines] == ["small", ""]
        assert other.cost == Decimal("3.3")
        assert price_by_list(chat, quantities).dimension == ""

    def test_a_use_without_a_price_is_an_error_and_never_free(self, chat):
        with pytest.raises(UnknownPriceError, match="'chat' has no price for the meter 'images'"):
            price_use(chat, {"input": 1, "images": 0})

    def test_units_that_never_end_are_rounded_up_with_the_charge(self, db):
        service = ServiceFactory(cost=None)
        thirds = ServiceFactory()
        set_price(thirds, 1, meter="seconds", per=3)

        assert service.cost_of(Decimal(1) / 3) == Decimal("0.3334")
        assert price_use(thirds, {"seconds": 1}).cost == Decimal("0.3334")
        assert price_use(thirds, {"seconds": 3}).cost == 1

    def test_large_figures_stay_exact(self, db):
        service = ServiceFactory(cost="1.0000000001")

        assert service.cost_of(10**14) == Decimal("100000000010000")
        with pytest.raises(InvalidAmountError, match=r"^cost:"):
            ServiceFactory(cost=10).cost_of(10**15 - 1)

    @pytest.mark.parametrize("quantity", [0.5, -1, "many", Decimal("NaN"), 10**15, True])
    def test_a_quantity_is_an_exact_number(self, chat, quantity):
        with pytest.raises(InvalidAmountError, match=r"^quantities\['input'\]:"):
            price_use(chat, {"input": quantity})
        with pytest.raises(InvalidAmountError, match=r"^units:"):
            price_use(chat, {"units": quantity})

    def test_a_hook_gets_what_describes_the_use(self, owner, account, chat, clock):
        Service.objects.filter(pk=chat.pk).update(cost_hook=f"{__name__}.remember")
        chat.refresh_from_db()
        told = {
            "service": chat,
            "quantities": {"input": 2},
            "dimension": "small",
            "owner": owner,
            "at": clock.now,
        }

        priced = price_use(chat, {"input": "2"}, dimension="small", owner=owner)
        assert TOLD.pop() == told
        assert (priced.service, priced.quantities, priced.dimension, priced.at) == (
            told["service"],
            told["quantities"],
            told["dimension"],
            told["at"],
        )
        assert quote(owner, "chat", quantities={"input": 2}, dimension="small").cost == 1
        assert TOLD.pop() == told
        account.add_credits(1, "Bought")
        with charge(owner, "chat", quantities={"input": 2}, dimension="small"):
            assert TOLD.pop() == told
        price_use(chat, {"input": 2}, at=clock.now - DAY)
        assert TOLD.pop() == {
            **told,
            "dimension": "",
            "owner": None,
            "at": clock.now - DAY,
        }

    def test_a_hook_returns_a_number(self, chat):
        chat.cost_hook = f"{__name__}.guess"

        with pytest.raises(InvalidAmountError, match=r"^cost:"):
            price_use(chat, {"input": 1})

    def test_a_use_of_nothing_is_refused(self, chat):
        with pytest.raises(InvalidRequestError, match="give the quantity of at least"):
            price_use(chat, {})


TOLD = []


def remember(**told):
    TOLD.append(told)
    return 1


def guess(**told):
    return "many"


class TestTime:
    def test_a_use_keeps_the_price_of_its_time(self, chat, clock):
        set_price(chat, 1, meter="input", effective_at=clock.now + DAY)
        before = clock.now
        clock.move(2 * DAY)
        set_price(chat, 2, meter="input")

        prices = [
            price_use(chat, {"input": 1}, at=at).lines[0] for at in (before, before + DAY, None)
        ]

        assert [(line.unit_price, line.per) for line in prices] == [(3, 1_000_000), (1, 1), (2, 1)]

    def test_a_future_price_is_not_in_force(self, db, clock):
        service = ServiceFactory()
        set_price(service, 1, meter="input", effective_at=clock.now + DAY)

        with pytest.raises(UnknownPriceError):
            price_use(service, {"input": 1})

    def test_past_prices_are_not_changed(self, chat, clock):
        with pytest.raises(ValidationError, match="can't be changed"):
            set_price(chat, 9, meter="input", effective_at=clock.now - DAY)
        price = chat.prices.first()
        with pytest.raises(TypeError, match="never changed"):
            price.save()

    def test_the_first_price_may_begin_in_the_past(self, chat, clock):
        set_price(chat, 9, meter="images", effective_at=clock.now - DAY)

        assert price_use(chat, {"images": 1}, at=clock.now - DAY).cost == 9


class TestPlaces:
    """PostgreSQL itself would round a price that doesn't fit, a small one to 0."""

    def test_a_price_may_be_far_below_what_can_be_charged(self, owner, account):
        ServiceFactory(slug="token", cost="0.0000001234")
        account.add_credits(1, "Bought")

        with charge(owner, "token", units=1_000_000):
            pass

        assert account.get_available_balance() == Decimal("0.8766")

    @pytest.mark.parametrize("price", [TOO_FINE, 10**10, -1, 0.1, "cheap"])
    def test_every_write_refuses_what_does_not_fit(self, db, price):
        service = ServiceFactory()
        row = ServicePrice(service=service, meter="new", unit_price=price)
        changed = service.prices.get()
        changed.unit_price = price
        writes = [
            row.save,
            lambda: ServicePrice.objects.bulk_create([row]),
            lambda: service.prices.update(unit_price=price),
            lambda: ServicePrice.objects.bulk_update([changed], ["unit_price"]),
        ]

        for write in writes:
            with pytest.raises(InvalidAmountError, match="unit_price"), transaction.atomic():
                write()

    @pytest.mark.parametrize("price", [TOO_FINE, 10**10, -1, "cheap"])
    def test_a_form_reports_what_does_not_fit(self, db, price):
        with pytest.raises(ValidationError):
            set_price(ServiceFactory(), price)

    @pytest.mark.parametrize("price", [TOO_FINE, 0.1, -1, "free"])
    def test_code_that_registers_such_a_price_does_not_start(self, price):
        cls = type("Fine", (BaseService,), {"code": "fine", "name": "Fine", "cost": price})

        with pytest.raises(ImproperlyConfigured, match=r"The price of .*Fine can't be used"):
            register_service(cls)

    @pytest.mark.parametrize("per", [0, -5, 1.5])
    def test_a_price_is_for_whole_units(self, per):
        with pytest.raises(InvalidRequestError, match="per"):
            Price(1, per=per)


class TestQuote:
    def test_says_what_a_use_would_cost_and_whether_it_can_be_paid(self, owner, account, chat):
        account.add_credits(1, "Bought")

        little = quote(owner, "chat", quantities={"input": 1000, "output": 1000})
        much = quote(owner, "chat", quantities={"input": 1_000_000}, dimension="big")

        assert (little.cost, little.available, little.enough) == (Decimal("0.018"), 1, True)
        assert (much.cost, much.enough) == (3, False)
        assert (little.dimension, much.dimension) == ("", "big")
        assert not account.holds.exists()

    def test_a_use_that_costs_the_whole_balance_can_be_paid(self, owner, account, chat):
        account.add_credits(3, "Bought")

        assert quote(owner, "chat", quantities={"input": 1_000_000}).enough

    def test_a_frozen_account_cannot_pay(self, owner, account, chat):
        account.add_credits(1, "Bought")
        ledger.freeze(account=account, reason="Odd")

        assert not quote(owner, "chat", quantities={"input": 1}).enough

    def test_available_is_what_a_spend_could_use(self, owner, account, chat):
        account.add_credits(1, "Bought")
        ledger.set_overdraft_limit(account=account, limit=5)
        asked = quote(owner, "chat", quantities={"input": 10_000_000})

        with pytest.raises(InsufficientCreditsError) as caught:
            account.consume_credits(asked.cost, "Chat")

        assert asked.available == caught.value.available

    def test_one_unit_is_asked_for_by_default(self, owner):
        ServiceFactory(slug="page", cost=2)

        assert (quote(owner, "page").cost, quote(owner, "page", units=3).cost) == (2, 6)

    def test_has_an_async_twin(self, owner):
        ServiceFactory(slug="page", cost=2)

        assert async_to_sync(aquote)(owner, "page", units=2).cost == 4

    def test_says_what_is_wrong(self, owner, chat):
        with pytest.raises(InvalidRequestError, match="not both"):
            quote(owner, "chat", units=2, quantities={"input": 1})
        with pytest.raises(UnknownServiceError):
            quote(owner, "nothing")
        Service.objects.update(is_active=False)
        with pytest.raises(InactiveServiceError):
            quote(owner, "chat")


class TestCharge:
    def test_holds_by_the_estimate_and_takes_what_was_used(self, owner, account, chat):
        account.add_credits(10, "Bought")
        estimate = {"input": 1_000_000, "cached": 0, "output": 100_000}

        with charge(owner, "chat", quantities=estimate, dimension="small") as use:
            assert account.holds.get().amount == Decimal("0.21")
            use.quantities = {"input": 1000, "output": 10}

        assert use.usage.cost == Decimal("0.0002")  # 0.00015 + 0.000006
        assert (use.usage.units, use.usage.dimension) == (None, "small")
        assert use.usage.quantities == {"input": "1000", "cached": "0", "output": "10"}

    def test_meters_are_counted_one_by_one(self, owner, account, chat):
        account.add_credits(10, "Bought")
        with charge(owner, "chat", quantities={"input": 5, "output": 5}) as use:
            use.add({"input": 1000})
            use.add({"input": 500, "output": 10})

        assert use.usage.quantities == {"input": "1500", "output": "10"}

    def test_a_usage_keeps_what_it_was_priced_by(self, owner, account, chat):
        account.add_credits(10, "Bought")
        with charge(owner, "chat", quantities={"input": 500, "cached": 1}, dimension="small"):
            pass

        usage = account.usages.get()
        assert usage.price_lines == [
            {
                "meter": "input",
                "dimension": "small",
                "quantity": "500",
                "unit_price": "0.15",
                "per": 1000000,
            },
            {
                "meter": "cached",
                "dimension": "",
                "quantity": "1",
                "unit_price": "0.3",
                "per": 1000000,
            },
        ]

    def test_the_price_at_the_start_applies_when_it_changes_meanwhile(
        self, owner, account, clock, chat
    ):
        account.add_credits(10, "Bought")
        with charge(owner, "chat", quantities={"input": 2_000_000}) as use:
            clock.move(timedelta(minutes=1))
            set_price(chat, 1, meter="input")
            use.quantities = {"input": 1_000_000}

        assert use.usage.cost == 3

    def test_units_that_never_end(self, owner, account):
        ServiceFactory(slug="page")
        account.add_credits(10, "Bought")
        with charge(owner, "page", units=Decimal(1) / 3) as use:
            pass

        assert use.usage.cost == Decimal("0.3334")
        assert use.usage.quantities == {"units": "0.3333333333333333333333333333"}
        use.usage.refresh_from_db()
        assert use.usage.units == Decimal("0.3333333333")

    @pytest.mark.parametrize(
        ("used", "error"),
        [({"input": "many"}, InvalidAmountError), ({"images": 1}, InvalidRequestError)],
    )
    def test_quantities_that_cannot_be_priced_are_refused_where_they_are_set(
        self, owner, account, chat, used, error
    ):
        account.add_credits(10, "Bought")
        with charge(owner, "chat", quantities={"input": 5}) as use:
            with pytest.raises(error, match="quantities"):
                use.quantities = used
            with pytest.raises(InvalidRequestError, match="name units as 0 when the charge starts"):
                use.units = 3

        assert use.usage.quantities == {"input": "5"}

    def test_work_without_a_price_does_not_run(self, owner, account, chat):
        with pytest.raises(UnknownPriceError), charge(owner, "chat"):
            pytest.fail("the work must not run")

    @pytest.mark.parametrize(
        ("quantities", "dimension"), [({"input": 2}, ""), ({"input": 1}, "small")]
    )
    def test_a_key_belongs_to_its_quantities_and_dimension(
        self, owner, account, chat, quantities, dimension
    ):
        account.add_credits(10, "Bought")
        with charge(owner, "chat", quantities={"input": 1}, idempotency_key="k"):
            pass
        with charge(owner, "chat", quantities={"input": "1.0"}, idempotency_key="k") as again:
            assert again.replayed

        with (
            pytest.raises(IdempotencyConflictError),
            charge(owner, "chat", quantities=quantities, dimension=dimension, idempotency_key="k"),
        ):
            pytest.fail("the work must not run")

    def test_a_service_with_a_page_may_have_meters(self, owner, account):
        class Translate(Chat):
            code = "translate"

            def quantities(self, *, text, model):
                return {"input": len(text), "output": 2 * len(text)}

            def dimension(self, *, text, model):
                return model

            def run(self, *, text, model):
                return text

        account.add_credits(10, "Bought")
        with register_temporarily(Translate):
            create_missing_rows()
            usage = metering.use(Translate(), owner=owner, data={"text": "hello", "model": "small"})

        assert usage.quantities == {"input": "5", "output": "10"}
        assert usage.dimension == "small"


class TestRegistered:
    def test_prices_in_code_start_the_list_and_overwrite_no_price_of_the_staff(self, chat):
        set_price(chat, 5, meter="input", per=1_000_000)

        create_missing_rows(services=[Chat()])

        assert price_use(chat, {"input": 1_000_000}).cost == 5
        assert chat.prices.count() == len(Chat.prices) + 1

    def test_a_meter_that_code_adds_later_gets_its_price(self, chat):
        class WithImages(Chat):
            prices = (*Chat.prices, Price(2, meter="images"))

        create_missing_rows(services=[WithImages()])

        assert price_use(chat, {"images": 3}).cost == 6

    def test_without_run_a_service_is_metered_only(self, browser, chat):
        assert "/services/chat/" not in browser.get("/services/").content.decode()
        assert browser.get("/services/chat/").status_code == 404

    def test_a_check_names_services_without_rows(self, db):
        for code in metered_codes - {"chat", "chat-completion"}:  # those that other tests meter
            ServiceFactory(slug=code)

        @metered("chat-completion")
        def complete(owner): ...

        with register_temporarily(Chat):
            found = {
                message.msg: message.hint
                for message in run_checks(databases=["default"])
                if message.id == "quickscale_credits.W008"
            }
            create_missing_rows()
        ServiceFactory(slug="chat-completion")

        assert found == {
            "The service 'chat' has no row in the database.": "Run migrate.",
            "The service 'chat-completion' has no row in the database.": (
                "Register a class for it (register_service), or run configure_service."
            ),
        }
        assert not [
            message
            for message in run_checks(databases=["default"])
            if message.id == "quickscale_credits.W008"
        ]


class TestShown:
    def test_each_meter_has_its_lowest_price_on_the_page(self, browser, chat):
        page = " ".join(browser.get("/services/").content.decode().split())

        assert "from <bdi>0.15 credits</bdi> for <bdi>1,000,000</bdi> input" in page
        assert "from <bdi>0.6 credits</bdi> for <bdi>1,000,000</bdi> output" in page
        assert "<bdi>0.3 credits</bdi> for <bdi>1,000,000</bdi> cached" in page
        assert "from <bdi>0.3 credits" not in page

    def test_prices_per_different_amounts_are_compared_by_the_unit(self, db):
        service = ServiceFactory(cost=2, unit="page")
        set_price(service, 1000, per=1000, dimension="bulk")

        (listed,) = listed_prices(service)
        assert listed.unit == "page"
        assert (listed.lowest, listed.per, listed.varies) == (1000, 1000, True)

    def test_the_list_has_the_newest_price_of_each_meter_and_dimension_first(self, db, clock):
        service = Service.objects.create(name="New", slug="new")
        for meter, dimension, price, at in [
            ("b", "", 1, None),
            ("a", "y", 2, clock.now + DAY),
            ("a", "y", 3, None),
            ("a", "x", 4, None),
            ("a", "x", 5, None),
        ]:
            set_price(service, price, meter=meter, dimension=dimension, effective_at=at)

        assert [(price.unit_price, price.status) for price in price_list(service)] == [
            (5, "in force"),
            (4, "past"),
            (2, "coming"),
            (3, "in force"),
            (1, "in force"),
        ]

    def test_a_service_without_a_price_says_so(self, browser):
        class New(BaseService):
            code = "new"
            name = "New"

        Service.objects.create(name="New", slug="new")

        with register_temporarily(New):
            assert "No price yet" in browser.get("/services/").content.decode()

    def test_the_default_meter_is_the_units(self):
        assert METER == "units"
