"""Values that a new project's settings take from the package, so that an upgrade can add to them.

Each function is named after its setting and returns plain values that a site can change like any
others. Functions that return a list take entries to add, and in ``without`` the names to leave out.
Entries that are listed here keep the order of the list, and all others the order in which they are
given. A name in ``without`` that is not listed here raises ``ImproperlyConfigured``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import get_language_info

from quickscale.conf import PAGE_POLICY

APPS = (
    "quickscale",
    "quickscale_dashboard",
    "quickscale_accounts",
    "quickscale_credits",
    "quickscale_credits.samples",
    "quickscale_stripe",
    "quickscale_stripe_sandbox",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "csp",
    "django_htmx",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
)
"""The apps that :func:`installed_apps` knows, in their order."""

DEVELOPMENT_APPS = frozenset({"quickscale_credits.samples", "quickscale_stripe_sandbox"})
"""The apps that a project has only if ``debug`` is on."""

OPTIONAL_APPS = frozenset({"allauth.mfa", "allauth.socialaccount"})
"""The apps that a project has only if it adds them."""

MIDDLEWARE = {
    "django.middleware.security.SecurityMiddleware": None,
    "whitenoise.middleware.WhiteNoiseMiddleware": "whitenoise.runserver_nostatic",
    "django.contrib.sessions.middleware.SessionMiddleware": "django.contrib.sessions",
    "django.middleware.locale.LocaleMiddleware": None,
    "django.middleware.common.CommonMiddleware": None,
    "django.middleware.csrf.CsrfViewMiddleware": None,
    "django.contrib.auth.middleware.AuthenticationMiddleware": "django.contrib.auth",
    "quickscale.middleware.LoginRedirectMiddleware": "quickscale",
    "quickscale.middleware.MethodNotAllowedMiddleware": "quickscale",
    "django.contrib.messages.middleware.MessageMiddleware": "django.contrib.messages",
    "quickscale_dashboard.middleware.HtmxMessagesMiddleware": "quickscale_dashboard",
    "django.middleware.clickjacking.XFrameOptionsMiddleware": None,
    "csp.middleware.CSPMiddleware": "csp",
    "quickscale.middleware.PermissionsPolicyMiddleware": "quickscale",
    "django_htmx.middleware.HtmxMiddleware": "django_htmx",
    "allauth.account.middleware.AccountMiddleware": "allauth.account",
    "quickscale_accounts.middleware.HtmxFormsMiddleware": "quickscale_accounts",
}
"""The middleware that :func:`middleware` knows, in order, with the app that each belongs to."""

OPTIONAL_MIDDLEWARE = frozenset({"django.middleware.locale.LocaleMiddleware"})
"""The middleware that a project has only if it offers several languages, or adds it."""

LANGUAGES = ("de", "en", "es", "fr", "ar")
"""The languages with a complete translation of the apps, ordered by their own names."""

CONTEXT_PROCESSORS = {
    "django.template.context_processors.request": None,
    "django.contrib.auth.context_processors.auth": "django.contrib.auth",
    "django.contrib.messages.context_processors.messages": "django.contrib.messages",
}
AUTHENTICATION_BACKENDS = {
    "django.contrib.auth.backends.ModelBackend": "django.contrib.auth",
    "allauth.account.auth_backends.AuthenticationBackend": "allauth.account",
}
PASSWORD_VALIDATORS = (
    "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
    "django.contrib.auth.password_validation.MinimumLengthValidator",
    "django.contrib.auth.password_validation.CommonPasswordValidator",
    "django.contrib.auth.password_validation.NumericPasswordValidator",
)
SILENCED_SYSTEM_CHECKS = (
    "security.W005",  # SECURE_HSTS_INCLUDE_SUBDOMAINS concerns other sites of the domain,
    "security.W021",  # and so does SECURE_HSTS_PRELOAD
)


def installed_apps(
    *additions: str, without: Iterable[str] = (), debug: bool | None = False
) -> list[str]:
    """Return the site's own apps, whose templates come first, and then the apps of a project.

    Added apps of Django and allauth come last, so that our templates replace theirs. With
    ``quickscale_accounts``, the admin uses the site's sign-in.
    """
    left_out = OPTIONAL_APPS if debug else OPTIONAL_APPS | DEVELOPMENT_APPS
    ours = [app for app in APPS if app not in left_out]
    packages = {app.partition(".")[0] for app in APPS}
    own = [app for app in additions if app.partition(".")[0] not in packages]
    further = [app for app in additions if app not in own]
    apps = [*own, *_compose(APPS, ours, further, without)]
    if "quickscale_accounts" in apps and "django.contrib.admin" in apps:
        apps[apps.index("django.contrib.admin")] = "quickscale_accounts.apps.AdminConfig"
    return apps


def middleware(
    installed_apps: Iterable[str],
    *additions: str,
    languages: Collection[tuple[str, str]] = (),
    without: Iterable[str] = (),
) -> list[str]:
    """Return the middleware of Django and of the installed apps, and then the site's own.

    If ``languages``, the site's ``LANGUAGES``, has more than one, visitors get the one that they
    have chosen or, before that, the one of their browser.
    """
    needed = _needed(MIDDLEWARE, installed_apps)
    ours = [name for name in needed if len(languages) > 1 or name not in OPTIONAL_MIDDLEWARE]
    return _compose(MIDDLEWARE, ours, additions, without)


def context_processors(
    installed_apps: Iterable[str], *additions: str, without: Iterable[str] = ()
) -> list[str]:
    """Return the context processors of the installed apps, and then the site's own."""
    ours = _needed(CONTEXT_PROCESSORS, installed_apps)
    return _compose(CONTEXT_PROCESSORS, ours, additions, without)


def authentication_backends(
    installed_apps: Iterable[str], *additions: str, without: Iterable[str] = ()
) -> list[str]:
    """Return Django's backend, allauth's if it is installed, and then the site's own."""
    ours = _needed(AUTHENTICATION_BACKENDS, installed_apps)
    return _compose(AUTHENTICATION_BACKENDS, ours, additions, without)


def auth_password_validators(*additions: str, without: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return Django's four validators and the site's own. You can append one with ``OPTIONS``."""
    names = _compose(PASSWORD_VALIDATORS, PASSWORD_VALIDATORS, additions, without)
    return [{"NAME": name} for name in names]


def languages(*additions: str, without: Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return ``LANGUAGES``: those with a complete translation, and then the site's own, by code."""
    codes = _compose(LANGUAGES, LANGUAGES, additions, without)
    return [(code, get_language_info(code)["name"]) for code in codes]


def silenced_system_checks(*additions: str, without: Iterable[str] = ()) -> list[str]:
    """Return the checks that ask for HSTS beyond the site's own host, which you have to decide."""
    return _compose(SILENCED_SYSTEM_CHECKS, SILENCED_SYSTEM_CHECKS, additions, without)


def content_security_policy(
    additions: Mapping[str, str | Iterable[str]] | None = None,
    *,
    without: Iterable[str] = (),
    stripe_api_base: str | None = "",
) -> dict[str, Any]:
    """Return the policy that our pages need, in the form of django-csp.

    ``additions`` has more sources for directives, such as
    ``{"img-src": ["https://images.example.com"]}``. A directive that the policy lacks starts with
    the sources of ``default-src`` if it would replace them. ``without`` leaves out directives.
    Forms may also lead to the payment pages at ``stripe_api_base``.
    """
    names = _compose(PAGE_POLICY, PAGE_POLICY, (), without)
    directives = {name: list(PAGE_POLICY[name]) for name in names}
    if stripe_api_base and "form-action" in directives:
        url = urlsplit(stripe_api_base)
        directives["form-action"].append(f"{url.scheme}://{url.netloc}")
    for name, sources in (additions or {}).items():
        replaced = PAGE_POLICY["default-src"] if "-src" in name else []
        present = [source for source in directives.get(name, replaced) if source != "'none'"]
        directives[name] = [*present, *([sources] if isinstance(sources, str) else sources)]
    return {"DIRECTIVES": directives}


def account_settings(installed_apps: Iterable[str]) -> dict[str, Any]:
    """Return the allauth settings for signing up and in with an email address."""
    found: dict[str, Any] = {
        "LOGIN_URL": "account_login",
        "LOGIN_REDIRECT_URL": "/dashboard/",
        "ACCOUNT_ADAPTER": "quickscale_accounts.adapter.AccountAdapter",
        "ACCOUNT_CHANGE_EMAIL": True,
        "ACCOUNT_EMAIL_NOTIFICATIONS": True,
        "ACCOUNT_EMAIL_VERIFICATION": "mandatory",
        "ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED": True,
        "ACCOUNT_EMAIL_VERIFICATION_BY_CODE_FORMAT": {
            "numeric": True,
            "length": 6,
            "dashed": False,
        },
        "ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND": True,
        "ACCOUNT_LOGIN_METHODS": {"email"},
        "ACCOUNT_SIGNUP_FIELDS": ["email*", "password1*"],
        "ACCOUNT_RATE_LIMITS": {"confirm_email": "1/10s/key,20/d/key"},
        "ACCOUNT_USER_MODEL_USERNAME_FIELD": None,
    }
    if "allauth.socialaccount" in installed_apps:
        found["SOCIALACCOUNT_ADAPTER"] = "quickscale_accounts.social.SocialAccountAdapter"
    return found


def caches() -> dict[str, Any]:
    """Return a database cache, because all processes must share it to count rate limits."""
    return {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }


def storages(installed_apps: Iterable[str], *, debug: bool | None) -> dict[str, Any]:
    """Store uploads in ``MEDIA_ROOT``; static files get hashed names unless ``debug`` is on."""
    static = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    if debug:
        static = "django.contrib.staticfiles.storage.StaticFilesStorage"
    elif "whitenoise.runserver_nostatic" in installed_apps:
        static = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    return {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": static},
    }


def logging(*, debug: bool | None) -> dict[str, Any]:
    """Log to the console, from which the platform that runs the site collects the output.

    Unless ``debug`` is on, errors are also sent to ``ADMINS``.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        },
        "handlers": {
            "console": {"class": "logging.StreamHandler", "formatter": "line"},
            "mail_admins": {"class": "django.utils.log.AdminEmailHandler", "level": "ERROR"},
        },
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {"django": {"handlers": [] if debug else ["mail_admins"], "level": "INFO"}},
    }


def _needed(known: Mapping[str, str | None], installed_apps: Iterable[str]) -> list[str]:
    """Return the entries that belong to an installed app or to none."""
    apps = {None, *(app.partition(".apps.")[0] for app in installed_apps)}
    return [name for name, app in known.items() if app in apps]


def _compose(
    known: Collection[str], ours: Iterable[str], additions: Iterable[str], without: Iterable[str]
) -> list[str]:
    without = {without} if isinstance(without, str) else set(without)
    for name in sorted(without.difference(known)):
        similar = get_close_matches(name, known, n=1)
        hint = f" Did you mean {similar[0]!r}?" if similar else ""
        raise ImproperlyConfigured(
            f"without={name!r} leaves out nothing: quickscale.project has no such entry.{hint}"
        )
    wanted = {*ours, *additions} - without
    return [
        *(name for name in known if name in wanted),
        *(name for name in additions if name not in known),
    ]
