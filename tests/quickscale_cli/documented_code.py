"""Run the Python blocks of the documentation as a test module of a new project.

``test_documented_code.py`` puts this file into the project, beside the blocks. The blocks of a page
run one after the other in one namespace, which has what a reader has: a user, an account, a
request. A block that starts with the name of a file is the content of that file.
"""

from __future__ import annotations

import inspect
import json
import sys
import types
import uuid
from ast import Assign, Name, PyCF_ALLOW_TOP_LEVEL_AWAIT, Subscript, parse
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from unittest import mock

import stripe
from asgiref.sync import async_to_sync
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core import mail
from django.core.mail import send_mail
from django.db import models, transaction
from django.db.models import Sum
from django.db.models.functions import TruncMonth
from django.dispatch import receiver
from django.http import StreamingHttpResponse
from django.test import RequestFactory, TestCase
from django.test.utils import isolate_apps
from django.urls import include, path
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView
from ninja import NinjaAPI, Schema
from rest_framework import viewsets

from quickscale.secrets import generate_key
from quickscale_credits.models import CreditAccount
from quickscale_credits.services import create_missing_rows
from quickscale_dashboard import registry
from quickscale_stripe.testing import stripe_sandbox

BLOCKS = json.loads(Path(__file__).with_suffix(".json").read_text())
# Imports that every reader of Django's documentation knows.
DJANGO = {
    "Decimal": Decimal, "LoginRequiredMixin": LoginRequiredMixin,
    "StreamingHttpResponse": StreamingHttpResponse, "Sum": Sum, "TemplateView": TemplateView,
    "TruncMonth": TruncMonth, "_": _, "admin": admin, "forms": forms, "include": include,
    "mail": mail, "path": path, "receiver": receiver, "send_mail": send_mail, "stripe": stripe,
    "timedelta": timedelta, "timezone": timezone, "transaction": transaction, "viewsets": viewsets,
}  # fmt: skip
MODULE = "tools.documented"
APPS = ["quickscale", "quickscale_accounts", "quickscale_credits", "quickscale_dashboard"]
KNOWN = {
    name
    for app in [*APPS, "quickscale_stripe"]
    for name in type(import_module(f"{app}.conf").app_settings).names()
}
SETTINGS_MODULE = import_module(settings.SETTINGS_MODULE)


class Page(models.Model):
    """Replaces Wagtail's class."""

    class Meta:
        abstract = True


class ReportIn(Schema):
    pages: int


class Answer:
    pages = 2


def new_user(name):
    return get_user_model().objects.create_user(email=f"{name}@example.com", password="secret")


def new_account(name):
    account = CreditAccount.objects.for_owner(new_user(name))
    account.add_credits(50, "Bought", source=("checkout", name))
    return account


def at_hand():
    """Return the names that every page has."""
    user = new_user("sam")
    request = RequestFactory().get("/")
    request.user = user
    account = CreditAccount.objects.for_owner(user)
    account.add_credits(1000, "Bought")
    ids = {"request_id": str(uuid.uuid4()), "session_id": "cs_test_1", "refund_id": "re_1"}
    return {**DJANGO, **ids, "user": user, "owner": user, "request": request, "account": account}


def accounts():
    begin = timezone.now()
    times = {"begin": begin, "end": begin + timedelta(days=365), "paid_until": begin}
    names = ("old", "new", "giver", "taker")
    return {
        **times,
        "ada": new_user("ada"),
        "ben": new_user("ben"),
        **{name: new_account(name) for name in names},
    }


def services():
    async def atokens():
        yield "word"

    return {
        "work": Answer, "tokens": lambda: iter(["word"]), "atokens": atokens, "Page": Page,
        "api": NinjaAPI(), "ReportIn": ReportIn, "model": None,
    }  # fmt: skip


PAGES = {
    "how-to/credits-accounts.md": accounts,
    "how-to/credits-locking.md": accounts,
    "how-to/credits-testing.md": accounts,
    "how-to/credits-metering.md": services,
    "how-to/credits-services.md": services,
    "how-to/dashboard.md": lambda: {"parrots_context": lambda request: {}},
    "how-to/look.md": lambda: {"order": 17},
    "how-to/stripe-sandbox.md": lambda: {
        "DEBUG": True,
        "INSTALLED_APPS": [],
        "settings": settings,
        "urlpatterns": [],
    },
    "how-to/encryption.md": lambda: {
        "SECRET_KEY": settings.SECRET_KEY,
        "endpoint": types.SimpleNamespace(),
        "env": types.SimpleNamespace(str=lambda name: generate_key()),
    },
}


@contextmanager
def stripe_at_hand(page, names):
    """Provide a sandbox with a subscriber for the pages that send requests to Stripe."""
    if page not in {
        "how-to/stripe-catalogue.md",
        "how-to/stripe-testing.md",
        "how-to/deleting-owners.md",
    }:
        yield
        return
    with stripe_sandbox() as test:
        if page == "how-to/stripe-testing.md":
            names |= {"stripe": test, "ada": new_user("ada")}
            test.buy(names["ada"], "Basic plan")
        yield


class DocumentationTest(TestCase):
    """Has one test for each page; see the end of the module."""

    def run_page(self, page):
        names = {"__name__": MODULE, **at_hand(), **PAGES.get(page, dict)()}
        sys.modules[MODULE] = types.ModuleType(MODULE)
        with ExitStack() as stack:
            stack.enter_context(registry.register_temporarily())
            stack.enter_context(mock.patch.object(admin, "site", admin.AdminSite()))
            stack.enter_context(isolate_apps("users", "tools"))
            stack.enter_context(stripe_at_hand(page, names))
            for line, code in BLOCKS[page]:
                with self.subTest(block=f"{page}:{line}"):
                    self.run_block(code, f"{page}:{line}", names)
                    create_missing_rows()

    def run_block(self, code, where, names):
        first = code.partition("\n")[0]
        if is_settings(code):
            own = {"DATABASES": deepcopy(settings.DATABASES)}
            self.check_settings(run(code, where, vars(SETTINGS_MODULE) | DJANGO | own))
        elif first.startswith("# ") and first.endswith(".py"):
            module = first.removeprefix("# ").removesuffix(".py").replace("/", ".")
            run(code, where, {**DJANGO, "__name__": module})
        else:
            run(code, where, names)

    def check_settings(self, changed):
        """Check that the names in the block's settings exist; ``...`` stands for other entries."""
        ours = {name for name in changed if name.startswith("QUICKSCALE_")}
        assert ours <= KNOWN, ours - KNOWN
        for name in ("INSTALLED_APPS", "MIDDLEWARE", "AUTHENTICATION_BACKENDS"):
            for entry in changed[name]:
                if entry is not ... and name == "INSTALLED_APPS":
                    import_module(entry.partition(".apps.")[0])
                elif entry is not ...:
                    import_string(entry)


def is_settings(code):
    targets = [node.targets[0] for node in parse(code).body if isinstance(node, Assign)]
    names = [each.value if isinstance(each, Subscript) else each for each in targets]
    names = [each.value if isinstance(each, Subscript) else each for each in names]
    is_all = len(names) == len(parse(code).body)
    return is_all and all(isinstance(each, Name) and each.id.isupper() for each in names)


async def finish(result):
    await result


def run(code, where, names):
    compiled = compile(code, where, "exec", flags=PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)
    if inspect.isawaitable(result):
        async_to_sync(finish)(result)
    return names


for _page in BLOCKS:
    _name = "test_" + _page.removesuffix(".md").replace("-", "_").replace("/", "_").lower()
    setattr(DocumentationTest, _name, lambda self, page=_page: self.run_page(page))
