from __future__ import annotations

from django.contrib import admin

from letters.models import Letter

admin.site.register(Letter)
