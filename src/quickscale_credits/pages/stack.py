"""The balance of an account as a chart, and when its credits end in words."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from quickscale.charts import Part, Stack, stack
from quickscale.formats import format_credits
from quickscale_credits.internal.balances import BalanceOverview, TypeBalance


def balance_chart(overview: BalanceOverview) -> Stack:
    """Draw what a balance consists of, with the ends of each type."""
    return stack(
        "balance",
        _("Balance by type"),
        [Part(each.label, each.amount, ends_in_words(each)) for each in overview.by_type],
        text=format_credits,
    )


def ends_in_words(balance: TypeBalance) -> str:
    """Return when credits end: "142 end on Dec. 10, 2026, 30 never end"."""
    ends = balance.ends
    if balance.amount < 0:
        return _("Taken from the next credits")
    if not ends.days:
        return _("Never ends")
    if balance.end_together:
        return _("Ends on %(date)s") % ends.days[0].words
    texts = [
        ngettext("%(amount)s ends on %(date)s", "%(amount)s end on %(date)s", day.number)
        % day.words
        for day in ends.nearest
    ]
    if later := ends.later:
        text = ngettext(
            "%(amount)s ends later, by %(date)s", "%(amount)s end later, by %(date)s", later.number
        )
        texts.append(text % later.words)
    if lasting := balance.lasting:
        text = ngettext("%(amount)s never ends", "%(amount)s never end", lasting.number)
        texts.append(text % lasting.words)
    return " · ".join(texts)
