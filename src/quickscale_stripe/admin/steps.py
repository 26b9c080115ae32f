"""What staff do with rows of Stripe's objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """Something that is done to a row: from its page, or from the list to many.

    Attributes:
        name: in addresses.
        label: on the button.
        run: does it to one row; raises ``PaymentsError``. It may be run again.
        question: asked beforehand; empty: nothing is.
        applies: whether a row is one that it can be done to.
        permission: the action's, as ``manage`` for ``has_manage_permission`` of the admin.
        find: the row of a key; by default that of the primary key.
        is_action: whether the list and the row's page offer it.
    """

    name: str
    label: Any
    run: Callable[[Any], object]
    question: Any = ""
    applies: Callable[[Any], bool] = lambda row: True
    permission: str = "manage"
    find: Callable[[str], Any] | None = None
    is_action: bool = True
