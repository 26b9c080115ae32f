"""Sphinx configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

from quickscale import __version__

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.projects.everything.settings"
django.setup()

project = "QuickScale"
author = "The QuickScale developers"
copyright = "2026, the QuickScale developers"
release = version = __version__

extensions = ["sphinx.ext.autodoc", "myst_parser", "generated"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"QuickScale {__version__}"
