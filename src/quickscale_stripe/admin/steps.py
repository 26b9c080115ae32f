"""The steps that staff can take with rows of Stripe's objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Step:
    """A step to take with one row from its page, or with many from the list.

    Attributes:
        name: in addresses.
        label: on the button.
        run: takes it with one row; raises ``PaymentsError``. It may be run again.
        question: asked beforehand, unless it is empty.
        applies: whether it can be taken with a row.
        permission: the action's, such as ``manage`` for ``has_manage_permission`` of the admin.
        find: returns the row for a key; by default the primary key.
        is_action: whether the list and the row's page offer the step.
    """

    name: str
    label: Any
    run: Callable[[Any], object]
    question: Any = ""
    applies: Callable[[Any], bool] = lambda row: True
    permission: str = "manage"
    find: Callable[[str], Any] | None = None
    is_action: bool = True
