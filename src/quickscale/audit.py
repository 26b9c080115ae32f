"""The actions that an audit log knows. An app registers what its staff and its commands do.

Nothing records them yet; the app that keeps the log reads :data:`actions`.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise

from quickscale.registry import Registry


@dataclass(frozen=True)
class Action:
    """One kind of entry in the audit log.

    Args:
        name: never changes, and begins with the app's subject, such as ``"credits.adjusted"``.
        label: what people read.
        needs_reason: whether whoever does it has to say why.
    """

    name: str
    label: str | Promise
    needs_reason: bool = False


#: The registry of all actions.
actions: Registry[Action] = Registry()
