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
autodoc_default_options = {
    "members": True,
    "exclude-members": "DoesNotExist, MultipleObjectsReturned",
}
autodoc_member_order = "bysource"
nitpicky = True
nitpick_ignore_regex = [
    # Links to other projects' pages need their inventories, and a build asks no network.
    ("py:.*", r"(allauth|collections|datetime|decimal|django|environs|factory|pathlib|stripe)\..*"),
    ("py:exc", "ImproperlyConfigured|NoReverseMatch|ProtectedError|TransactionManagementError"),
    ("py:exc", r"ValidationError|.*\.DoesNotExist"),
    ("py:class", "Amount|Decimal|datetime|timedelta"),  # imported for types only
    # Type variables, and the half of a type that has a comma.
    ("py:class", r"dict\[str|(.*\.)?(T|EntryT|Row|ServiceT|Used|Stream|AsyncStream)"),
    # The inside of the sandbox is private.
    ("py:class", r"quickscale_stripe_sandbox\..*"),
]

html_theme = "furo"
html_title = f"QuickScale {__version__}"
