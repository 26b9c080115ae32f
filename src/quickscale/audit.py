"""The actions that an audit log knows. Each app registers its own in its ``declarations`` module.

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
        name: never changes, and starts with the app's label without ``quickscale_``, such as
            ``"credits.removed"``.
        label: the text that people read.
        sources: what does it. ``"admin:<model>.<name>"`` is an action, a page or a form (``add``,
            ``change``, ``delete``) in the admin, ``"command:<name>"`` is a management command, and
            ``"signal:<path>"`` and ``"method:<path>"`` are dotted paths.
        needs_reason: whether the person who does it must give a reason.
    """

    name: str
    label: str | Promise
    sources: tuple[str, ...] = ()
    needs_reason: bool = False


#: The registry of all actions.
actions: Registry[Action] = Registry()
