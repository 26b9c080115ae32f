"""Run the examples of the documentation: the ``pycon`` blocks of a page, one after the other."""

from __future__ import annotations

import doctest
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import transaction

from quickscale_credits.internal.clock import ledger_clock

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language):
    """Return (page, line, code) of each block in this language on the pages about credits."""
    return [
        (page.name, page.read_text()[: match.start()].count("\n") + 1, match["code"])
        for page in sorted(DOCS.glob("*/credits*.md"))
        for match in FENCE.finditer(page.read_text())
        if match["language"] == language
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("page", sorted({page for page, _line, _code in blocks("pycon")}))
def test_examples_return_what_the_page_shows(page, make_owner):
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    names = {"user": make_owner(), "other_user": make_owner(), "Decimal": Decimal}
    with transaction.atomic(), ledger_clock(datetime(2030, 1, 1, tzinfo=UTC)) as clock:
        names["clock"] = clock
        for name, line, code in blocks("pycon"):
            if name == page:
                example = doctest.DocTestParser().get_doctest(code, names, name, name, line)
                runner.run(example, clear_globs=False)
                names = example.globs
    results = runner.summarize(verbose=False)
    assert results.attempted
    assert not results.failed
