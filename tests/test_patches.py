"""Tests reach our code by its public seams, and replace nothing inside our modules.

They may replace what is outside, such as a clock, the file system, Django or an optional package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
#: What tests replace nevertheless, each with the reason.
ALLOWED = {
    "quickscale_accounts.checks.AbstractEmailUser": "the project of the tests has such users",
    "quickscale_credits.internal.outbox._writes": "a process counts its writes over all tests",
}
HELPERS = ("setattr", "delattr", "setitem", "delitem", "patch", "patch.object", "patch.dict")


def replaced(source: str) -> Iterator[str]:
    """Yield the dotted paths of ours that a test module replaces."""
    tree = ast.parse(source)
    ours: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("quickscale"):
            ours |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            ours |= {
                each.asname or "quickscale": each.name if each.asname else "quickscale"
                for each in node.names
                if each.name == "quickscale" or each.name.startswith("quickscale.")
            }

    def path(node: ast.AST) -> str:
        """The path that ``a.b``, ``a.b()`` or ``a.b[0]`` has if ``a`` is ours, else nothing."""
        if isinstance(node, ast.Constant):
            text = str(node.value)
            return text if text.startswith("quickscale") and "." in text else ""
        if isinstance(node, ast.Name):
            return ours.get(node.id, "")
        if isinstance(node, ast.Attribute):
            before = path(node.value)
            return before and f"{before}.{node.attr}"
        if isinstance(node, ast.Call):
            return path(node.func)
        return path(node.value) if isinstance(node, ast.Subscript) else ""

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(HELPERS):
            target, *rest = [*node.args, ast.Constant(None)]
            if found := path(target):
                named = rest[0].value if isinstance(rest[0], ast.Constant) else None
                yield f"{found}.{named}" if isinstance(named, str) else found
        elif isinstance(node, ast.Assign | ast.Delete):
            yield from filter(None, map(path, filter(is_part, node.targets)))
        elif isinstance(node, ast.AugAssign | ast.AnnAssign) and is_part(node.target):
            yield from filter(None, [path(node.target)])


def is_part(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute | ast.Subscript)


MODULE = "from quickscale_credits.internal import outbox\n"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ('m.setattr("quickscale_credits.ledger._SWEEP", 2)', "quickscale_credits.ledger._SWEEP"),
        (MODULE + 'm.setattr(outbox, "BATCH", 1)', "quickscale_credits.internal.outbox.BATCH"),
        (MODULE + "outbox.BATCH = 1", "quickscale_credits.internal.outbox.BATCH"),
        (MODULE + "outbox.SIGNALS['x'] = 1", "quickscale_credits.internal.outbox.SIGNALS"),
        (MODULE + "outbox.BATCH += 1", "quickscale_credits.internal.outbox.BATCH"),
        (MODULE + "del outbox.BATCH", "quickscale_credits.internal.outbox.BATCH"),
        (MODULE + "m.setitem(outbox.SIGNALS, k, 1)", "quickscale_credits.internal.outbox.SIGNALS"),
        (MODULE + "mock.patch.dict(outbox.SIGNALS)", "quickscale_credits.internal.outbox.SIGNALS"),
        ("import quickscale.checks\nsetattr(quickscale.checks, 'X', 1)", "quickscale.checks.X"),
        ("import quickscale.checks as c\nc.X = 1", "quickscale.checks.X"),
        (
            "from quickscale_credits.models import CreditHold\nm.setattr(CreditHold, 'prolong', f)",
            "quickscale_credits.models.CreditHold.prolong",
        ),
    ],
)
def test_the_rule_sees(source: str, path: str) -> None:
    assert list(replaced(source)) == [path]


@pytest.mark.parametrize(
    "source",
    [
        MODULE + 'm.setattr(time, "monotonic", outbox.clock)',
        'm.setattr("django.utils.timezone.now", f)',
        MODULE + "BATCH = outbox.BATCH",
        MODULE + "dict(outbox.SIGNALS)",
        "settings.QUICKSCALE_CREDITS_LOW_BALANCE = 1",
    ],
)
def test_the_rule_does_not_see(source: str) -> None:
    assert list(replaced(source)) == []


def test_nothing_of_ours_is_replaced() -> None:
    found = {
        path: source.relative_to(TESTS).as_posix()
        for source in TESTS.rglob("*.py")
        for path in replaced(source.read_text())
    }
    assert {path: found[path] for path in found.keys() - ALLOWED.keys()} == {}
    assert found.keys() >= ALLOWED.keys()
