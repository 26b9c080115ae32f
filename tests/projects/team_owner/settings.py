"""A site whose teams own the credits and pay for them, instead of its users."""

from __future__ import annotations

from tests.projects.credits_only.settings import *  # noqa: F403
from tests.projects.credits_only.settings import INSTALLED_APPS

INSTALLED_APPS = ["tests.projects.team_owner.teams", "quickscale_stripe", *INSTALLED_APPS]
QUICKSCALE_OWNER_MODEL = "teams.Team"
QUICKSCALE_GET_OWNER = "tests.projects.team_owner.teams.models.team_of_request"
QUICKSCALE_OWNERS_OF_USER = "tests.projects.team_owner.teams.models.teams_of_user"
ROOT_URLCONF = "tests.projects.urls"
