"""Every Python block of the documentation runs in a new project."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from pathlib import Path

from tests.quickscale_cli.test_generated_project import new_project, run

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)```python\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def blocks():
    """Return the Python blocks of each page with the lines where they begin."""
    found = {}
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if page.parent.name == "tutorial":  # test_tutorial.py does what it says
            continue
        text = page.read_text()
        for block in FENCE.finditer(text):
            line = text[: block.start()].count("\n") + 1
            name = page.relative_to(ROOT).as_posix().removeprefix("docs/")
            found.setdefault(name, []).append((line, textwrap.dedent(block[2])))
    return found


def test_every_python_block_runs_in_a_new_project():
    found = blocks()
    assert len(found) > 10
    with new_project() as folder:
        shutil.copy(
            Path(__file__).with_name("documented_code.py"),
            folder / "tests" / "test_documentation.py",
        )
        mails = folder / "templates" / "shop" / "email"
        mails.mkdir(parents=True)
        for part in ("subject.txt", "message.txt", "message.html"):
            (mails / f"sold_{part}").write_text("Order {{ order }}")
        (folder / "tests" / "test_documentation.json").write_text(json.dumps(found))
        result = run(folder, "manage.py", "test", "tests.test_documentation")
        assert result.returncode == 0, result.stderr
        assert f"Ran {len(found)} tests" in result.stderr
