"""Phrases that are not idiomatic English, each with what to write instead.

The list grows when a review finds a habit. ``codespell`` checks single words.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["src", "docs", "tests", "example_project", "benchmarks", "scripts", ".ci", ".github"]
ENDINGS = (".py", ".md", ".html", ".txt", ".sql", ".toml", ".yml", ".inc", "-tpl")
# Written by others, or never changed once it is released.
SKIPPED = {"_build", "migrations", "vendor", "fonts", Path(__file__).name}

HABITS = {
    r"\bthe begin\b|\bbegin of\b": "the start",
    r"\b(at|the) (first|next) need\b|\bat need\b": "on first use, the next time",
    r"\b(again|which|it|before) answers with\b": "returns",
    r"\bso many\b": "the number of, at most",
    r"\bthaw(s|ed|ing)?\b": "unfreeze",
    r"\b(tells?|told|telling) of\b": "reports, announces, names",
    r"(?<!there) \b(is|are|was|were) no (?!longer|earlier|later)": "is not a",
    r"\b(is|are) no more\b": "no longer exists",
    r"\bof one's own\b": "its own, custom",
    r"\bis at it\b": "is handling it",
    r", for (it|they|he|she|there|here|this|that)\b": "because",
    r"\. Who [a-z]+ (?![^.]*\?)": "a person who, somebody who",
    r"\"what of\b|\bwhat of (a|an|the|them|our)\b": "which part of",
    r"\b(that|which) there (is not|isn't|are not|aren't)\b": "unknown, missing",
    r"\bas also\b": "as ... does, too",
    r"(\"\"\"|\. |# )Else\b": "Otherwise",
    r"\b(anew|afresh)\b": "again",
    r"\bout of reach\b": "unreachable",
    r"\bat last\b": "finally, in the end",
    r"\bstands? in the way\b": "prevents, blocks",
    r"\bproblems? (is|are) told\b": "is reported",
    r"\b(month|year|period|lot|change|price)s? to come\b": "future ...",
    r"\btells? (why|what|when|which|whether|how)\b": "says, explains",
    r"\b(is|are|was|were) told\b(?! (to|apart))": "is reported",
    r", but that\b": "except that",
    r"\b(is|are) for good\b": "can't be undone",
    r"\bmend(s|ed|ing)?\b": "correct, repair",
    r"\bthat (is|are) there\b": "that exists",
    r"\b(see|sees|seen) to it\b": "ensures, guarantees",
    r"\b(is|are) waited for\b": "waits for",
}


@cache
def texts() -> dict[str, str]:
    files = [*ROOT.glob("*.md"), *ROOT.glob("*.toml")]
    for folder in FOLDERS:
        files += (ROOT / folder).rglob("*")
    names = [file.relative_to(ROOT) for file in files if file.name.endswith(ENDINGS)]
    return {
        # The name of a test is a phrase, too.
        str(name): re.sub(r"\btest_\w+", spaced, (ROOT / name).read_text())
        for name in names
        if not SKIPPED & {*name.parts}
    }


def spaced(name: re.Match[str]) -> str:
    return name[0].replace("_", " ")


@pytest.mark.parametrize("habit", HABITS)
def test_a_habit_is_not_in_the_texts(habit):
    pattern = re.compile(habit.replace(" ", r"\s+(?:(?:#|--) )?"), re.IGNORECASE)
    found = [
        f"{name}: {match[0]!r}"
        for name, text in texts().items()
        for match in pattern.finditer(text)
    ]
    assert not found, f"Write: {HABITS[habit]}"
