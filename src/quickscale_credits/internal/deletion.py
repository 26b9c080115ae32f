"""Decide what happens to an account when its owner is deleted, by whatever means."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.deletion import Collector


def outlive_owner(
    collector: Collector,
    field: models.Field[Any, Any],
    sub_objs: models.QuerySet[Any],
    using: str,
) -> None:
    """Keep an account with a history, and store the owner's name as text; an ``on_delete``.

    An account without a history is deleted with its owner.
    """
    used = [account for account in sub_objs if account.has_history()]
    empty = sub_objs.exclude(pk__in=[account.pk for account in used])
    if empty:
        models.CASCADE(collector, field, empty, using)
    name: Any = field.model._meta.get_field("former_owner")
    for account in used:
        collector.add_field_update(field, None, [account])
        if not account.former_owner:
            collector.add_field_update(name, str(account.owner)[: name.max_length], [account])
