"""The personal data that the apps store. Each app registers its own in its ``declarations`` module.

Nothing reads them yet. The app that handles requests for a copy or for erasure will read
:data:`stored`.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise

from quickscale.registry import Registry


@dataclass(frozen=True)
class PersonalData:
    """Fields of a table that hold personal data, and what happens to them.

    What identifies an owner is erased by :func:`quickscale.owner.forget_owner`, and what identifies
    a user by deleting the user, unless ``keep`` gives a reason.

    Args:
        name: never changes, and starts with the app's label without ``quickscale_``, such as
            ``"stripe.receipts"``.
        label: what it is; people read it.
        model: ``"app_label.Model"``.
        fields: the names of the fields.
        purpose: why the site stores it; people read it.
        kept_for: how long; people read it.
        owner: the lookup from a row to the owner whom it is about, such as ``"account__owner"``.
            Such rows belong in the owner's copy of their data.
        user: the same for a user. Without either, the rows don't say whom they are about.
        keep: why it stays when the person leaves; people read it. If empty, it is erased.

    Raises:
        ValueError: both ``owner`` and ``user`` are given.
    """

    name: str
    label: str | Promise
    model: str
    fields: tuple[str, ...]
    purpose: str | Promise
    kept_for: str | Promise
    owner: str = ""
    user: str = ""
    keep: str | Promise = ""

    def __post_init__(self) -> None:
        if self.owner and self.user:
            raise ValueError(f"{self.name} is about an owner or about a user, not about both.")


#: The registry of all personal data.
stored: Registry[PersonalData] = Registry()
