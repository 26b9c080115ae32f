from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from quickscale_credits.models import Service, ServicePrice
from quickscale_credits.pricing import set_price
from quickscale_credits.services import (
    BaseService,
    create_missing_rows,
    get_service,
    register_service,
    register_temporarily,
    registered_services,
)
from tests.quickscale_credits.surface import Shout, Whisper


def test_a_registered_service_is_found_by_its_code():
    with register_temporarily(Shout):
        assert isinstance(get_service("shout"), Shout)
        assert "shout" in registered_services()
    assert get_service("shout") is None


def test_a_class_registered_twice_is_one_service():
    with register_temporarily(Shout):
        assert register_service(Shout) is Shout


@pytest.mark.parametrize("order", [1, -1], ids=["the sample first", "the sample last"])
def test_a_sample_gives_way_to_the_sites_own_service(order):
    class Sample(Shout):
        is_sample = True

    with register_temporarily(*[Sample, Shout][::order]):
        assert type(get_service("shout")) is Shout


def test_two_classes_cannot_have_one_code():
    class Other(BaseService):
        code = "shout"
        name = "Other"

    with (
        register_temporarily(Shout),
        pytest.raises(ImproperlyConfigured, match=r"Shout have the same code 'shout'"),
    ):
        register_service(Other)


@pytest.mark.parametrize("missing", ["code", "name"])
def test_a_service_needs_a_code_and_a_name(missing):
    cls = type("Nameless", (BaseService,), {"code": "x", "name": "X", missing: ""})

    with pytest.raises(ImproperlyConfigured, match=f"Nameless needs a {missing}"):
        register_service(cls)


@pytest.mark.django_db
def test_a_registered_service_gets_its_row():
    with register_temporarily(Shout):
        create_missing_rows()
        service = Service.objects.get(slug="shout")

    assert (service.name, service.cost_of(1), service.unit) == ("Shout", Decimal(2), "letter")
    assert service.is_active


@pytest.mark.django_db
def test_migrate_makes_rows_and_leaves_what_the_staff_changed():
    with register_temporarily(Shout, Whisper):
        create_missing_rows()
        Service.objects.filter(slug="shout").update(name="Loud")
        set_price(Service.objects.get(slug="shout"), 5)
        ServicePrice.objects.filter(service__slug="whisper").delete()
        Service.objects.filter(slug="whisper").delete()

        call_command("migrate", verbosity=0)

    loud = Service.objects.get(slug="shout")
    assert (loud.name, loud.cost_of(1)) == ("Loud", Decimal(5))
    assert Service.objects.get(slug="whisper").cost_of(1) == 0
