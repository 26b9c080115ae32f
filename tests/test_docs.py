"""The documentation is complete: what the code declares has an entry."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import URLResolver, get_resolver

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
APPS = [
    "quickscale",
    "quickscale_accounts",
    "quickscale_credits",
    "quickscale_dashboard",
    "quickscale_stripe",
    "quickscale_stripe_sandbox",
]
CHECK_ID = re.compile(r"quickscale(?:_\w+)?\.[EWI]\d{3}")


def declared_settings():
    found = []
    for app in APPS:
        declared = type(importlib.import_module(f"{app}.conf").app_settings)
        for name in declared.names():
            found.append((name, declared, name.removeprefix(declared.prefix).lower()))
    return found


def default_of(declared: type, name: str) -> object:
    """Return what the property reads if the site sets nothing."""
    defaults = []

    class Recorder(declared):
        def _get(self, name, default):
            defaults.append(default)
            return default

        def _hook(self, name, default):
            defaults.append(default)

    getattr(Recorder(), name)
    return defaults[0]


@pytest.mark.parametrize(("setting", "declared", "name"), declared_settings())
def test_a_setting_says_its_default(setting, declared, name):
    docstring = " ".join(vars(declared)[name].__doc__.split())
    if (said := re.search(r"Default: (?:``([^`]+)``\.(?: |$)|\S)", docstring)) is None:
        is_hook = vars(declared)[name].fget.__annotations__["return"].startswith("Callable")
        assert is_hook, f"The docstring of {setting} doesn't say its default."
    elif said[1] and not said[1].isupper():  # in upper case: another setting
        assert eval(said[1], {"timedelta": timedelta}) == default_of(declared, name)


def check_sources() -> dict[str, str]:
    return {str(path): path.read_text() for path in (ROOT / "src").rglob("checks.py")}


def used_ids(source: str) -> set[str]:
    """Return the ids in the code, without those in docstrings."""
    texts = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and CHECK_ID.fullmatch(text)}


@pytest.mark.parametrize("path", check_sources())
def test_a_check_is_described_in_the_docstring_of_its_function(path):
    source = check_sources()[path]
    described = re.findall(rf"^    ({CHECK_ID.pattern}): \S", source, re.MULTILINE)
    assert len(described) == len(set(described))
    assert used_ids(source) <= set(described)


@pytest.mark.parametrize(
    ("name", "app"), [pair for pair in get_commands().items() if pair[1] in APPS]
)
def test_a_command_and_its_options_have_a_help(name, app):
    command = load_command_class(app, name)
    parser = command.create_parser("manage.py", name)
    assert command.help
    assert [action.dest for action in parser._actions if not action.help] == []


def all_views(resolver: URLResolver):
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from all_views(entry)
        elif view := getattr(entry.callback, "view_class", None):
            yield view


@pytest.mark.urls("tests.projects.everything.urls")
def test_each_page_has_a_sentence():
    ours = "quickscale_"
    views = {view for view in all_views(get_resolver()) if view.__module__.startswith(ours)}
    assert len(views) > 30
    assert [view for view in views if not view.__doc__] == []


@pytest.fixture(scope="module")
def inventory(tmp_path_factory):
    """Return the names in the built documentation by kind; the build must not warn."""
    pytest.importorskip("sphinx")
    from sphinx.util.inventory import InventoryFile

    folder = tmp_path_factory.mktemp("docs")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    built = subprocess.run(
        [*build, "-d", folder / "trees", DOCS, folder / "html"], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    content = (folder / "html" / "objects.inv").read_bytes()
    return InventoryFile.loads(content, uri="").data


def test_the_reference_has_every_setting(inventory):
    assert set(inventory["std:setting"]) == {setting for setting, *_ in declared_settings()}


def test_the_reference_has_every_check(inventory):
    used = set().union(*map(used_ids, check_sources().values()))
    assert len(used) > 30
    assert used <= set(inventory["std:check"])


def test_the_reference_has_every_command(inventory):
    ours = {name for name, app in get_commands().items() if app in APPS}
    assert set(inventory["std:command"]) == ours


def test_the_reference_has_every_command_of_the_command_line(inventory):
    from typer.main import get_command

    from quickscale_cli.commands import app

    program = get_command(app)
    assert set(inventory["std:cli"]) == {
        "quickscale",
        *(f"quickscale {each}" for each in program.commands),
    }
    parameters = [each for command in program.commands.values() for each in command.params]
    assert [each.name for each in [*program.params, *parameters] if not each.help] == []


@pytest.mark.parametrize("app", [app for app in APPS if importlib.util.find_spec(f"{app}.signals")])
def test_the_reference_has_every_signal(inventory, app):
    from django.dispatch import Signal

    module = importlib.import_module(f"{app}.signals")
    signals = {
        f"{app}.signals.{name}" for name, value in vars(module).items() if isinstance(value, Signal)
    }
    assert len(signals) > 5
    assert signals <= set(inventory["py:data"])


def imported_in(page: Path) -> set[str]:
    """Return what the Python blocks of a page import from QuickScale, as dotted names."""
    found = set()
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        for module, names in re.findall(r"^from (quickscale[\w.]*) import ([\w, ]+)", block, re.M):
            found |= {f"{module}.{name.strip()}" for name in names.split(",")}
    return found


def test_what_the_pages_import_is_in_the_reference(inventory):
    documented = {name for kind in inventory if kind.startswith("py:") for name in inventory[kind]}
    imported = set().union(*map(imported_in, DOCS.rglob("*.md")))
    assert len(imported) > 20
    assert imported <= documented


def test_the_css_variables_of_the_reference_exist():
    page = (DOCS / "reference" / "css-variables.md").read_text()
    sheets = "".join(sheet.read_text() for sheet in (ROOT / "src").glob("*/static/*/*.css"))
    named = set(re.findall(r"`(--(?:quickscale|qs)-[\w-]+)`", page))
    assert len(named) > 15
    assert [name for name in named if f"{name}:" not in sheets] == []


def test_the_variables_of_a_deployment_are_those_of_a_new_project():
    from quickscale_cli.project import documented_variables

    page = (DOCS / "how-to" / "deployment.md").read_text()
    rows = re.findall(r"^\| (`.+?) \| ", page, re.MULTILINE)
    named = set(re.findall(r"`([A-Z][A-Z_]+)(?:=\w+)?`", " ".join(rows)))
    assert len(named) > 10
    assert named <= documented_variables()


def test_the_demo_page_has_the_logins():
    from quickscale_cli.demo import LOGINS

    page = (DOCS / "start" / "demo.md").read_text()
    rows = [f"| `{email}` | `{password}` |" for email, password in LOGINS.items()]
    assert [row for row in rows if row not in page] == []


def test_email_is_spelled_one_way():
    """People read it beside texts of allauth, Django and Stripe, which spell it this way."""
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.html")]
    other = re.compile("e-" + "mail", re.IGNORECASE)
    assert not [source for source in sources if other.search(source.read_text())]
