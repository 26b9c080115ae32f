"""A message that tells a customer what to know or do first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Alert:
    """A message with one link. ``tone`` is that of an element: danger, warning or info.

    ``is_external`` says that the link leads away from the site, such as to Stripe's page.
    """

    tone: str
    title: str
    text: str
    label: str
    url: str
    is_external: bool = False
