"""Sum what was used of each meter, in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta, tzinfo
from decimal import Decimal
from typing import NamedTuple

from django.db import connections

from quickscale_credits.internal.expressions import FirstEntry
from quickscale_credits.internal.running import Key, Numbers, Span, midnight
from quickscale_credits.models import METER

# Uses and, as negative ones, what was given back of them: their cost, with the quantity if they
# have one meter, then the meters of the others. The first entry of each day gives the day of a use.
_SUMS = """
WITH starts AS MATERIALIZED (
    SELECT array_agg(first ORDER BY at) FILTER (WHERE first IS NOT NULL) AS days
      FROM (SELECT at, {first_entry} AS first
              FROM unnest(%(midnights)s::timestamptz[]) at) midnights),
reversals AS (
    SELECT reverses_id, amount,
           (SELECT sum(earlier.amount) FROM quickscale_credits_credittransaction earlier
             WHERE earlier.reverses_id = reversal.reverses_id
               AND earlier.sequence <= reversal.sequence) AS until_now
      FROM quickscale_credits_credittransaction reversal
     WHERE account_id = %(account)s AND amount > 0 AND kind = 'reverse'
       AND id > %(after)s AND id <= %(last)s
       AND reverses_id >= %(first)s AND reverses_id < %(end)s),
uses AS NOT MATERIALIZED (
    SELECT width_bucket(transaction_id, (SELECT days FROM starts)) AS day,
           service_id, units, quantities, price_lines, cost - shortfall AS credits, 1 AS sign
      FROM quickscale_credits_serviceusage
     WHERE account_id = %(account)s
       AND transaction_id >= %(first)s AND transaction_id < %(end)s
       AND transaction_id > %(after)s AND transaction_id <= %(last)s
     UNION ALL
    SELECT width_bucket(transaction_id, (SELECT days FROM starts)),
           service_id, units, quantities, price_lines, -amount,
           CASE WHEN until_now = cost - shortfall THEN -1 ELSE 0 END
      FROM reversals JOIN quickscale_credits_serviceusage ON transaction_id = reverses_id)
SELECT day, service_id, units IS NULL, NULL, NULL::numeric, NULL::numeric, sum(units * sign),
       sum(credits)
  FROM uses GROUP BY day, service_id, units IS NULL
UNION ALL
SELECT day, service_id, true, line.meter, line.unit_price, line.per, sum(line.quantity * sign),
       NULL
  FROM uses CROSS JOIN LATERAL (
       SELECT * FROM jsonb_to_recordset(price_lines)
           AS priced(meter text, quantity numeric, unit_price numeric, per numeric)
        UNION ALL
       SELECT key, value::numeric, NULL, NULL FROM jsonb_each_text(quantities)
        WHERE price_lines = '[]') line
 WHERE units IS NULL
 GROUP BY day, service_id, line.meter, line.unit_price, line.per
""".replace("{first_entry}", FirstEntry.template % {"expressions": "%(account)s::bigint, at"})


class MeterSum(NamedTuple):
    """``credits`` is ``None`` if there are no prices that would divide the cost."""

    service_id: int
    meter: str
    quantity: Decimal
    credits: Decimal | None


def read_meters(
    account_id: int, zone: tzinfo, span: Span, *, using: str
) -> Iterator[tuple[Key, Numbers]]:
    """Yield the quantity and the cost of paid uses by day and service.

    For uses with several meters, there is a sum of their cost, and one for each meter and price.
    """
    days = [span.since + timedelta(days=n) for n in range((span.until - span.since).days + 1)]
    values = {
        "account": account_id,
        "midnights": [midnight(day, zone) for day in days],
        **vars(span),
    }
    with connections[using].cursor() as cursor:
        cursor.execute(_SUMS, values)
        rows = cursor.fetchall()
    for number, *key, quantity, cost in rows:
        yield (days[number - 1], *key), (quantity or Decimal(0), cost or Decimal(0))


def share_costs(sums: Mapping[Key, Numbers]) -> Iterator[MeterSum]:
    """Yield the sums of all days; several meters share the cost of their service by their prices.

    Those of which everything was given back are left out.
    """
    single: dict[int, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    costs: dict[int, Decimal] = defaultdict(Decimal)
    quantities: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    shares: dict[int, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    unpriced = set()
    for (_day, service, several, meter, unit_price, per), (quantity, cost) in sums.items():
        if not several:
            single[service][0] += quantity
            single[service][1] += cost
        elif meter is None:
            costs[service] += cost
        elif quantity:
            quantities[service][meter] += quantity
            if unit_price is None:
                unpriced.add(service)
            else:
                shares[service][meter] += quantity * unit_price / per
    for service, (quantity, cost) in single.items():
        if quantity or cost:
            yield MeterSum(service, METER, quantity, cost)
    for service, meters in quantities.items():
        whole = sum(shares[service].values())
        known = whole and service not in unpriced
        for meter, quantity in meters.items():
            part = costs[service] * shares[service][meter] / whole if known else None
            yield MeterSum(service, meter, quantity, part)
