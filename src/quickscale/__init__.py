"""The foundation that the QuickScale apps share. It has no models."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("quickscale")
