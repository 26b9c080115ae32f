"""The actions that an audit log knows. Each app registers the actions of its staff and commands.

Nothing records them yet. The app that keeps the log will read :data:`actions`.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise

from quickscale.registry import Registry


@dataclass(frozen=True)
class Action:
    """One kind of entry in the audit log.

    Args:
        name: never changes, and starts with the app's subject, such as ``"credits.adjusted"``.
        label: the text that people read.
        needs_reason: whether the person who does it must give a reason.
    """

    name: str
    label: str | Promise
    needs_reason: bool = False


#: The registry of all actions.
actions: Registry[Action] = Registry()
