"""What staff do with many rows, a few at a time, so that a page can show how far it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

SESSION_KEY = "quickscale_stripe_job"
AT_ONCE = 5


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


@dataclass
class Job:
    """A step and the keys of its rows, kept in the session of the person who does it."""

    id: str
    step: str
    keys: list[str]

    @classmethod
    def begin(cls, session: SessionBase, step: Step, keys: Iterable[Any]) -> Job:
        job = cls(id=str(uuid.uuid4()), step=step.name, keys=[str(key) for key in keys])
        session[SESSION_KEY] = asdict(job)
        return job

    @classmethod
    def load(cls, session: SessionBase, job_id: str) -> Job | None:
        """The job of that id, when it is the session's last one."""
        kept = session.get(SESSION_KEY)
        return cls(**kept) if kept and kept["id"] == job_id else None
