from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Team(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="teams")

    def __str__(self):
        return self.name


def team_of_request(*, request):
    """Return the session's team, as sites do; a command has no request."""
    if not request.user.is_authenticated:
        return None
    chosen = request.session.get("team") if hasattr(request, "session") else None
    teams = request.user.teams.order_by("name")
    return teams.filter(pk=chosen).first() if chosen else teams.first()


def teams_of_user(*, user):
    return user.teams.order_by("name")
