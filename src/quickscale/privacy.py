"""The tables with personal data. Each app registers its own.

Nothing reads them yet. The app that handles requests for a copy or for erasure will read
:data:`tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.utils.functional import Promise

from quickscale.registry import Registry


class Export(Protocol):
    def __call__(self, *, user: Any) -> Iterable[Mapping[str, Any]]: ...


class Erase(Protocol):
    def __call__(self, *, user: Any) -> None: ...


@dataclass(frozen=True)
class PersonalData:
    """A table's personal data, and what happens to it when the person leaves.

    Args:
        name: the model, as ``"app_label.Model"``.
        export: ``export(*, user)`` returns a mapping for each of the user's rows.
        erase: ``erase(*, user)`` removes what identifies the user.
        keep: the reason if the rows stay; people read it before they leave.

    Raises:
        ValueError: neither ``erase`` nor ``keep`` is given.
    """

    name: str
    export: Export | None = None
    erase: Erase | None = None
    keep: str | Promise = ""

    def __post_init__(self) -> None:
        if not self.erase and not self.keep:
            raise ValueError(f"{self.name} needs erase, or a reason to keep its rows.")


#: The registry of all tables with personal data.
tables: Registry[PersonalData] = Registry()
