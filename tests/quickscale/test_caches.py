from __future__ import annotations

import pytest
from django.core.cache import cache
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection

BACKENDS = "django.core.cache.backends"
DATABASE = {"BACKEND": f"{BACKENDS}.db.DatabaseCache", "LOCATION": "counted_here"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"BACKEND": f"{BACKENDS}.dummy.DummyCache"}, "keeps nothing"),
        ({"BACKEND": f"{BACKENDS}.locmem.LocMemCache"}, "is one for each process"),
        (DATABASE, "forgets entries as soon as it has more than 300"),
        (DATABASE | {"OPTIONS": {"MAX_ENTRIES": 9_999}}, "more than 9999"),
        ({"BACKEND": f"{BACKENDS}.filebased.FileBasedCache", "LOCATION": "/tmp"}, "than 300"),
        (DATABASE | {"OPTIONS": {"MAX_ENTRIES": 100_000}}, None),
        ({"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": "redis://nowhere"}, None),
    ],
)
def test_a_cache_that_cannot_count_attempts_is_reported_at_deploy(settings, config, words):
    settings.CACHES = {"default": config}
    found = [m.msg for m in run_checks(include_deployment_checks=True) if m.id == "quickscale.W002"]
    assert found == ([] if words is None else [found[0]])
    assert words is None or words in found[0]
    assert "quickscale.W002" not in {m.id for m in run_checks()}


@pytest.mark.django_db
def test_migrate_makes_the_table_of_a_database_cache(settings):
    settings.CACHES = {"default": DATABASE}
    assert "counted_here" not in connection.introspection.table_names()
    call_command("migrate", verbosity=0)
    assert cache.add("attempt", 1)
    assert not cache.add("attempt", 1)
    call_command("migrate", verbosity=0)
    assert cache.get("attempt") == 1
