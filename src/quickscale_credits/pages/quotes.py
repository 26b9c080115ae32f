"""The quote under the form of a service: what a use costs, before it runs."""

from __future__ import annotations

from typing import Any

from django import forms

from quickscale_credits import metering
from quickscale_credits.exceptions import UnknownPriceError
from quickscale_credits.models import Service
from quickscale_credits.services import BaseService, ServiceError

MAX_BYTES = 256 * 1024


def shown_quote(
    service: BaseService, *, row: Service, owner: Any, form: forms.Form
) -> dict[str, Any]:
    """Return what ``_quote.html`` shows; nothing while the cost can't be known.

    The values of the form matter only if the cost depends on them.
    """
    data: dict[str, Any] = {}
    if not service.has_fixed_cost:
        if not form.is_valid():
            return {}
        data = form.cleaned_data
    try:
        quote = metering.quote_use(service, owner=owner, data=data, row=row)
        return {"quote": quote, "counted": service.counted(**data) if data else ""}
    except ServiceError as error:
        return {"hint": str(error)}
    except UnknownPriceError:
        return {}
