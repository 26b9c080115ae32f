"""Sphinx configuration."""

from __future__ import annotations

import sys
from pathlib import Path

from quickscale import __version__

sys.path.insert(0, str(Path(__file__).parent))

project = "QuickScale"
author = "The QuickScale developers"
copyright = "2026, the QuickScale developers"
release = version = __version__

extensions = ["myst_parser", "sequences"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"QuickScale {__version__}"
