"""System checks that several apps register, each under its own id, and those of the foundation.

The foundation's checks (``quickscale.*``) run if any of the apps is installed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.contrib.staticfiles import finders
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.shortcuts import resolve_url
from django.template import TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import select_template
from django.urls import NoReverseMatch, URLResolver, get_resolver, is_valid_path
from django.utils.translation import get_language

from quickscale.brand import get_brand, problem
from quickscale.conf import app_settings
from quickscale.internal.base_template import shown_blocks
from quickscale.internal.owner_key import owner_key_problem
from quickscale.links import has_page
from quickscale.owner import get_owner_model
from quickscale.postgres import ENGINE


def check_postgresql(
    app_label: str, check_id: str, *, alias: str = DEFAULT_DB_ALIAS
) -> list[CheckMessage]:
    """Return an error if the database with that alias is not PostgreSQL."""
    vendor = connections[alias].vendor
    if vendor == "postgresql":
        return []
    return [
        Error(
            f"{app_label} needs PostgreSQL, but the database {alias!r} is {vendor}.",
            hint="Set DATABASES to a PostgreSQL server, or install quickscale[embedded].",
            id=check_id,
        )
    ]


def check_owner_model(check_id: str) -> list[CheckMessage]:
    """Return an error if ``QUICKSCALE_OWNER_MODEL`` does not name an installed model."""
    try:
        get_owner_model()
    except ImproperlyConfigured as error:
        return [Error(str(error), hint='Use the form "app_label.Model".', id=check_id)]
    return []


def check_owner(
    model: type[models.Model], databases: Sequence[str] | None, check_id: str
) -> list[CheckMessage]:
    """Return an error if the database's key to the owner was created for another owner model.

    Django does not report it if ``QUICKSCALE_OWNER_MODEL`` changes after the first ``migrate``.
    """
    if check_owner_model(check_id):
        return []  # the app's own check of the setting reports it
    found = [owner_key_problem(model, connections[alias]) for alias in databases or ()]
    hint = "Set it back. The documentation says how to change the owner model."
    return [Error(problem, hint=hint, id=check_id) for problem in found if problem]


@register(Tags.templates)
def check_installed(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the foundation, whose template tags every page needs, is installed.

    quickscale.E002: ``"quickscale"`` is not in ``INSTALLED_APPS``.
    """
    if apps.is_installed("quickscale"):
        return []
    return [
        Error(
            'The apps of QuickScale need the app "quickscale".',
            hint='Add "quickscale" to INSTALLED_APPS. It has no models.',
            id="quickscale.E002",
        )
    ]


@register(Tags.security)
def check_proxies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the number of trusted proxies.

    quickscale.E001: ``QUICKSCALE_TRUSTED_PROXY_COUNT`` is not a number, or is negative.
    """
    count = app_settings.trusted_proxy_count
    if type(count) is int and count >= 0:
        return []
    return [
        Error(
            f"QUICKSCALE_TRUSTED_PROXY_COUNT is {count!r}.",
            hint="Set it to the number of your own proxies in front of the site, such as 0 or 1.",
            id="quickscale.E001",
        )
    ]


@register(Tags.security, deploy=True)
def check_client_address(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that visitors behind a proxy can be told apart.

    quickscale.W001: The site is behind a proxy, but the number of trusted proxies is 0, so all
        visitors seem to have the proxy's address.
    """
    if app_settings.trusted_proxy_count or not settings.SECURE_PROXY_SSL_HEADER:
        return []
    return [
        CheckWarning(
            "The site is behind a proxy but doesn't read the visitors' addresses from it: "
            "limits count all visitors as one, and security mails show the proxy's address.",
            hint="Set QUICKSCALE_TRUSTED_PROXY_COUNT to the number of proxies.",
            id="quickscale.W001",
        )
    ]


@register(Tags.security)
def check_encryption_keys(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check the encryption keys.

    quickscale.E006: ``QUICKSCALE_ENCRYPTION_KEYS`` is not a list of keys.
    """
    keys = app_settings.encryption_keys
    if isinstance(keys, list | tuple) and all(_is_key(key) for key in keys):
        return []
    return [
        Error(
            "QUICKSCALE_ENCRYPTION_KEYS is not a list of keys.",
            hint="quickscale.secrets.generate_key() makes one: 44 characters for 32 bytes.",
            id="quickscale.E006",
        )
    ]


def _is_key(key: Any) -> bool:
    """Return whether Fernet accepts the key, which must be the URL-safe Base64 of 32 bytes."""
    try:
        return len(base64.b64decode(key, altchars=b"-_", validate=True)) == 32
    except (TypeError, ValueError):
        return False


@register(Tags.urls)
def check_login_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that visitors of our pages can sign in.

    quickscale.W003: Some of our pages are mounted, but ``LOGIN_URL`` is not a URL of the site.
        Django's default, ``/accounts/login/``, works only if a page is mounted there.
    """
    if not _mounts_ours(get_resolver()) or _leads_somewhere(settings.LOGIN_URL):
        return []
    return [
        CheckWarning(
            f"LOGIN_URL is {str(settings.LOGIN_URL)!r}, but the site has no such URL: visitors of "
            "pages that need a login are sent to a page that doesn't exist.",
            hint="Set LOGIN_URL to the path or the URL name of the site's sign-in.",
            id="quickscale.W003",
        )
    ]


def _mounts_ours(resolver: URLResolver) -> bool:
    """Return whether one of our pages is mounted; the health URLs don't count as pages."""
    return any(
        re.match("quickscale_(?!.*_health$)", str(entry.app_name)) or _mounts_ours(entry)
        for entry in resolver.url_patterns
        if isinstance(entry, URLResolver)
    )


def _leads_somewhere(login_url: Any) -> bool:
    try:
        url = urlsplit(resolve_url(login_url))
    except NoReverseMatch:
        return False
    if url.netloc:
        return True  # a URL of another site
    prefixed, _ = is_language_prefix_patterns_used(settings.ROOT_URLCONF)
    paths = [url.path, f"/{get_language()}{url.path}"] if prefixed else [url.path]
    return any(is_valid_path(path) for path in paths)


MAPPING = (
    "If it has another one, write a template quickscale/base.html that names it: "
    '{{% extends "quickscale/base.html" %}}'
    "{{% block {} %}}{{% block {} %}}{{{{ block.super }}}}{{% endblock %}}{{% endblock %}}"
)


@register(Tags.templates)
def check_base_template(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that the site's ``base.html`` shows our pages completely, if one is mounted.

    quickscale.E004: The site has no ``base.html``, or lacks a template that this extends.
    quickscale.E005: ``base.html`` has no block ``content``, and ``quickscale/base.html`` does not
        name another one, so the pages would be empty.
    quickscale.W004: ``base.html`` has no block ``title`` or ``extra_head``, and
        ``quickscale/base.html`` does not name another one.
    """
    if not _mounts_ours(get_resolver()):
        return []
    try:
        shown = shown_blocks()
    except TemplateDoesNotExist as error:
        return [
            Error(
                f"The site has no template {error}, but our pages extend base.html.",
                hint=(
                    "Write a base.html. With the dashboard, one line is enough: "
                    '{% extends "quickscale_dashboard/shell.html" %}'
                ),
                id="quickscale.E004",
            )
        ]
    except TemplateSyntaxError:
        return []  # the site's own pages show it
    if "quickscale_content" not in shown:
        return [
            Error(
                'Our pages would be empty: the site\'s base.html has no block "content".',
                hint=MAPPING.format("main", "quickscale_page"),
                id="quickscale.E005",
            )
        ]
    missing = [
        f"{what} (block {block!r})"
        for ours, block, what in [
            ("quickscale_title", "title", "their titles"),
            ("quickscale_head", "extra_head", "their style sheet"),
        ]
        if ours not in shown
    ]
    if not missing:
        return []
    return [
        CheckWarning(
            f"The site's base.html has no place for what our pages need: {', '.join(missing)}.",
            hint=MAPPING.format("head", "quickscale_head"),
            id="quickscale.W004",
        )
    ]


@register(Tags.templates)
def check_elements(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the look exists, if one of our pages is mounted.

    quickscale.W005: ``QUICKSCALE_ELEMENTS`` names a look that no element has a template for.
    """
    if not _mounts_ours(get_resolver()):
        return []
    look = app_settings.elements
    plain = Path(__file__).parent / "templates" / "quickscale" / "elements" / "plain"
    try:
        select_template([f"quickscale/elements/{look}/{file.name}" for file in plain.iterdir()])
    except TemplateDoesNotExist:
        return [
            CheckWarning(
                f"QUICKSCALE_ELEMENTS is {look!r}, but no element has a template for that look.",
                hint=(
                    'Set it to "bulma", "bootstrap5" or "plain", or write templates in the folder '
                    f"quickscale/elements/{look}."
                ),
                id="quickscale.W005",
            )
        ]
    except TemplateSyntaxError:
        pass  # the look has an element, and the site's own pages show its error
    return []


@register(Tags.templates)
def check_brand(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check the brand.

    quickscale.E007: ``QUICKSCALE_BRAND`` is not a dictionary, or has an unknown key, or a value
        that is not a colour or a list of fonts. The pages leave out such an entry.
    quickscale.W006: The logo or the icon is not among the static files.
    quickscale.W007: The brand has a colour or a font, but its style sheet is not mounted.
    """
    brand = app_settings.brand
    if not isinstance(brand, Mapping):
        return [Error("QUICKSCALE_BRAND is not a dictionary.", id="quickscale.E007")]
    found: list[CheckMessage] = [
        Error(f"QUICKSCALE_BRAND {text}.", id="quickscale.E007")
        for key, value in brand.items()
        if (text := problem(key, str(value)))
    ]
    files = {get_brand().logo, get_brand().icon} - {""}
    if apps.is_installed("django.contrib.staticfiles"):
        found += [
            CheckWarning(
                f"The brand's image {file!r} is not among the static files.",
                hint="Name its path below STATIC_URL, such as 'parrot.svg'.",
                id="quickscale.W006",
            )
            for file in sorted(files)
            if not finders.find(file)
        ]
    if get_brand().has_styles and not has_page("quickscale:brand_pages"):
        found.append(
            CheckWarning(
                "The brand's style sheet isn't mounted, so no page has its colours and font.",
                hint='Add path("quickscale/", include("quickscale.urls")) to the site\'s URLconf.',
                id="quickscale.W007",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_embedded_database(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Check that the production database is not the one for development.

    quickscale.E003: In production, the site would use the embedded PostgreSQL, whose data is in the
        project's folder.
    """
    return [
        Error(
            f"The database {alias!r} is the embedded PostgreSQL, in {database['HOST']}.",
            hint="It is for development only. Set DATABASE_URL to a server that is backed up.",
            id="quickscale.E003",
        )
        for alias in connections
        if (database := connections[alias].settings_dict)["ENGINE"] == ENGINE
    ]


SMALLEST_CACHE = 10_000


@register(Tags.caches, deploy=True)
def check_cache(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the default cache, which stores the rate limits, can count attempts.

    quickscale.W002: Each process has a default cache of its own, or the cache stores nothing or
        fewer than 10,000 entries.
    """
    problem = _cache_problem(caches["default"])
    if not problem:
        return []
    return [
        CheckWarning(
            f"Rate limits don't hold: the default cache {problem}.",
            hint=(
                "Use Redis, Memcached, or the database: CACHES = {'default': {'BACKEND': "
                "'django.core.cache.backends.db.DatabaseCache', 'LOCATION': 'cache', "
                "'OPTIONS': {'MAX_ENTRIES': 100_000}}}."
            ),
            id="quickscale.W002",
        )
    ]


def _cache_problem(cache: BaseCache) -> str:
    if isinstance(cache, DummyCache):
        return "keeps nothing"
    if isinstance(cache, LocMemCache):
        return "is one for each process"
    if isinstance(cache, DatabaseCache | FileBasedCache):
        most: int = cache._max_entries
        if most < SMALLEST_CACHE:
            return f"forgets entries as soon as it has more than {most}"
    return ""
