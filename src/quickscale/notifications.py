"""The kinds of notifications. Each app registers its own in its ``declarations`` module.

Today each is a mail or a signal of its app. The app that lets people choose will read
:data:`kinds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from django.utils.functional import Promise

from quickscale.registry import Registry

Audience: TypeAlias = Literal["owner", "staff", "user"]
Channel: TypeAlias = Literal["list", "mail"]


@dataclass(frozen=True)
class Kind:
    """One kind of notification, which people can switch on and off for each channel.

    Args:
        name: never changes. It is the app's label without ``quickscale_``, and the name of the mail
            or signal, such as ``"credits.balance_low"``.
        label: the text that people read.
        audience: who gets it: the people who act for the owner that it is about, the user whom it
            is about, or the staff.
        channels: where it can be sent: the list in the app, or a mail.
        opt_in: the channels that are off until a person switches them on.
        mandatory: whether people can't switch it off, as with security notices and receipts.
        digestible: whether it may wait for a daily or weekly mail.
        cooldown: the shortest time between two notifications of this kind to one person.

    Raises:
        ValueError: ``opt_in`` has a channel that ``channels`` lacks.
    """

    name: str
    label: str | Promise
    audience: Audience
    channels: tuple[Channel, ...] = ("list", "mail")
    opt_in: tuple[Channel, ...] = ()
    mandatory: bool = False
    digestible: bool = False
    cooldown: timedelta | None = None

    def __post_init__(self) -> None:
        if missing := set(self.opt_in) - set(self.channels):
            raise ValueError(f"{self.name} has no channel {', '.join(sorted(missing))}.")


#: The registry of all kinds.
kinds: Registry[Kind] = Registry()
