from __future__ import annotations

from django.conf import settings
from django.db import models


class Letter(models.Model):
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="letters"
    )
    subject = models.CharField(max_length=100)
    body = models.TextField()
    printed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.subject
