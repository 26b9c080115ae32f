"""Everything that reads or writes the ledger has an async twin that does the same."""

from __future__ import annotations

import inspect

import pytest
from asgiref.sync import async_to_sync

from quickscale_credits import allotments, ledger, usage
from quickscale_credits.models import CreditAccount, CreditHold, CreditTransaction
from tests.owners import make_owner
from tests.quickscale_credits.operations import OPERATIONS, Stage

SYNC_ONLY = {
    "lock",  # an async view has no transaction to hold it
    "verify_in_parts",
    "periods",  # touches no database
    "save",
    "suggestions",  # touches no database
}
HOMES = [
    *((module, module.__all__) for module in (ledger, allotments, usage)),
    *((model, vars(model)) for model in (CreditAccount, CreditHold, CreditTransaction)),
    (type(CreditAccount.objects), ["for_owner"]),
]


@pytest.mark.parametrize(("home", "names"), HOMES, ids=lambda home: getattr(home, "__name__", ""))
def test_each_has_a_twin(home, names):
    public = {
        name
        for name in names
        if inspect.isfunction(function := getattr(home, name, None))
        and function.__module__.startswith("quickscale_credits.")
        and not name.startswith("_")
    }
    assert public
    missing = {name for name in public - SYNC_ONLY if not hasattr(home, f"a{name}")}
    assert not missing


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("module", "name", "arguments"),
    [operation for operation in OPERATIONS if operation[1] not in SYNC_ONLY],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_twins_do_the_same(module, name, arguments):
    answers = []
    for function in (getattr(module, name), async_to_sync(getattr(module, f"a{name}"))):
        call = arguments(Stage())
        answers.append(function(*call.args, **call.kwargs))
    assert type(answers[0]) is type(answers[1])
    assert ledger.verify() == []


@pytest.mark.django_db
def test_the_account_of_an_owner():
    owner = make_owner()
    account = async_to_sync(CreditAccount.objects.afor_owner)(owner)
    assert account == CreditAccount.objects.for_owner(owner)
