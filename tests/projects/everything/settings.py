"""A site with every app, as ``quickscale init`` would set it up."""

from __future__ import annotations

from csp.constants import NONE, SELF

from tests.projects.base import *  # noqa: F403
from tests.projects.base import ADMIN, DJANGO_APPS, MIDDLEWARE, ROOT, TEMPLATES

AUTH_USER_MODEL = "users.User"
ROOT_URLCONF = "tests.projects.everything.urls"

INSTALLED_APPS = [
    "tests.projects.everything.users",
    "quickscale",
    "quickscale_dashboard",
    "quickscale_accounts",
    "quickscale_credits",
    "quickscale_stripe",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.dummy",
    "csp",
    "django_htmx",
    *(name if name != ADMIN else "quickscale_accounts.apps.AdminConfig" for name in DJANGO_APPS),
]

MIDDLEWARE = [
    *MIDDLEWARE,
    "quickscale.middleware.LoginRedirectMiddleware",
    "quickscale.middleware.MethodNotAllowedMiddleware",
    "quickscale_dashboard.middleware.HtmxMessagesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "quickscale_accounts.middleware.HtmxFormsMiddleware",
]

TEMPLATES[0]["DIRS"] = [ROOT / "tests" / "projects" / "everything" / "templates"]

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_REDIRECT_URL = "/dashboard/"
LOGIN_URL = "account_login"
ACCOUNT_ADAPTER = "quickscale_accounts.adapter.AccountAdapter"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
SOCIALACCOUNT_ADAPTER = "quickscale_accounts.social.SocialAccountAdapter"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [SELF],
        "form-action": [SELF, "https://checkout.stripe.com", "https://billing.stripe.com"],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
    }
}
