"""Sphinx configuration."""

from __future__ import annotations

from quickscale import __version__

project = "QuickScale"
author = "The QuickScale developers"
copyright = "2026, the QuickScale developers"
release = version = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"QuickScale {__version__}"
