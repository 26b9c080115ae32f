"""Sum what was used of each meter, in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from django.db import connections

# Uses of one meter, and the cost of those of several meters; then the meters of the latter.
_SUMS = """
WITH given_back AS (
    SELECT reverses_id, sum(amount) AS credits
      FROM quickscale_credits_credittransaction
     WHERE account_id = %(account)s AND amount > 0 AND kind = 'reverse'
     GROUP BY reverses_id),
uses AS NOT MATERIALIZED (
    SELECT usage.service_id, usage.units, usage.quantities, usage.price_lines,
           usage.cost - usage.shortfall - coalesce(given_back.credits, 0) AS credits
      FROM quickscale_credits_serviceusage usage
      LEFT JOIN given_back ON given_back.reverses_id = usage.transaction_id
     WHERE usage.account_id = %(account)s
       AND usage.transaction_id >= %(first)s AND usage.transaction_id < %(end)s
       AND (given_back.credits IS NULL OR given_back.credits < usage.cost - usage.shortfall))
SELECT service_id, CASE WHEN units IS NOT NULL THEN 'units' END, sum(units), NULL::numeric,
       NULL::numeric, sum(credits)
  FROM uses GROUP BY service_id, units IS NOT NULL
UNION ALL
SELECT service_id, line.meter, sum(line.quantity), line.unit_price, line.per, NULL
  FROM uses CROSS JOIN LATERAL (
       SELECT * FROM jsonb_to_recordset(price_lines)
           AS priced(meter text, quantity numeric, unit_price numeric, per numeric)
        UNION ALL
       SELECT key, value::numeric, NULL, NULL FROM jsonb_each_text(quantities)
        WHERE price_lines = '[]') line
 WHERE units IS NULL
 GROUP BY service_id, line.meter, line.unit_price, line.per
"""


class MeterSum(NamedTuple):
    """``credits`` is ``None`` if there are no prices that would divide the cost."""

    service_id: int
    meter: str
    quantity: Decimal
    credits: Decimal | None


def used_meters(account_id: int, first: int, end: int, *, using: str) -> Iterator[MeterSum]:
    """Sum the paid uses whose entries have keys from ``first`` to before ``end``."""
    with connections[using].cursor() as cursor:
        cursor.execute(_SUMS, {"account": account_id, "first": first, "end": end})
        rows = cursor.fetchall()
    costs: dict[int, Decimal] = {}
    quantities: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    shares: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    unpriced = set()
    for service, meter, quantity, unit_price, per, cost in rows:
        if cost is not None and meter:
            yield MeterSum(service, meter, quantity, cost)
        elif cost is not None:
            costs[service] = cost
        else:
            quantities[service][meter] += quantity
            if unit_price is None:
                unpriced.add(service)
            else:
                shares[service][meter] += quantity * unit_price / per
    for service, meters in quantities.items():
        whole = sum(shares[service].values())
        known = whole and service not in unpriced
        for meter, quantity in meters.items():
            part = costs[service] * shares[service][meter] / whole if known else None
            yield MeterSum(service, meter, quantity, part)
