"""The arrows between the packages, as pyproject.toml declares them."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [
    "quickscale",
    "quickscale_accounts",
    "quickscale_cli",
    "quickscale_credits",
    "quickscale_dashboard",
    "quickscale_stripe",
    "quickscale_stripe_sandbox",
]
#: Modules that may name others by dotted paths, with the reason.
SEAMS = {
    "quickscale/project.py": "it composes a project's settings, and names what Django imports",
}

#: Functions that import what a string names.
IMPORTERS = ("import_module", "__import__", "import_string", "find_spec")

BRIDGES = {
    ("quickscale_stripe", "contrib/credits.py", "quickscale_credits"),
    # For a site's tests, in which the sandbox stands in for Stripe.
    ("quickscale_stripe", "testing.py", "quickscale_stripe_sandbox"),
}


def folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def may_import(importer: Path, imported: str) -> bool:
    package, module = importer.parts[0], "/".join(importer.parts[1:])
    if imported in ("quickscale", package):
        return True
    if module == "dashboard.py":
        return imported == "quickscale_dashboard"
    return (package, module, imported) in BRIDGES


def imports(source: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found & set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package):
    root = folder(package)
    wrong = [
        f"{source.relative_to(root.parent)} imports {imported}"
        for source in root.rglob("*.py")
        for imported in imports(source)
        if not may_import(source.relative_to(root.parent), imported)
    ]
    assert wrong == []
    assert any(root.rglob("*.py"))


def dotted_paths(source: str) -> Iterator[str]:
    """The dotted paths to modules of ours in a module's strings, docstrings left out.

    A package's name alone is also an app label, so it counts only where a call imports it.
    """
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield from re.findall(rf"\b(?:{'|'.join(PACKAGES)})\.\w*", node.value)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(IMPORTERS):
            names = [each.value for each in node.args if isinstance(each, ast.Constant)]
            yield from (name for name in names if name in PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_string_reaches_only_what_may_be_imported(package):
    """A dotted path is an import, too, which import-linter doesn't see."""
    root = folder(package)
    wrong = [
        f"{source.relative_to(root.parent)} names {dotted}"
        for source in root.rglob("*.py")
        if source.relative_to(root.parent).as_posix() not in SEAMS
        for dotted in dotted_paths(source.read_text())
        if not may_import(source.relative_to(root.parent), dotted.partition(".")[0])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('path = "quickscale_stripe.models.Payment"', ["quickscale_stripe.models"]),
        ('importlib.import_module("quickscale_stripe")', ["quickscale_stripe"]),
        ('__import__("quickscale_stripe")', ["quickscale_stripe"]),
        ('apps.is_installed("quickscale_stripe")', []),
        ('"""See quickscale_stripe.models."""', []),
    ],
)
def test_a_string_that_imports_is_found(source, found):
    assert list(dotted_paths(source)) == found


@pytest.mark.parametrize("package", ["quickscale_credits", "quickscale_stripe"])
def test_every_internal_module_has_a_layer(package):
    """import-linter's exhaustive contract asks it for the modules at the root."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = declared["tool"]["importlinter"]["contracts"]
    [contract] = [each for each in contracts if each.get("containers") == [package]]
    layered = {name for layer in contract["layers"] for name in re.split(" [|:] ", layer)}
    modules = (folder(package) / "internal").glob("[!_]*.py")
    assert {f"internal.{module.stem}" for module in modules} <= layered


@pytest.mark.parametrize("package", PACKAGES)
def test_templates_use_only_their_own_package_and_the_site(package):
    """A template extends, includes and loads nothing of a sibling; the site's base joins them."""
    root = folder(package)
    siblings = [name for name in PACKAGES if name not in (package, "quickscale")]
    wrong = [
        f"{template.relative_to(root.parent)} names {sibling}"
        for template in root.rglob("templates/**/*.*")
        if template.suffix in (".html", ".txt")
        for sibling in siblings
        for tag in ("extends", "include", "load")
        for line in template.read_text().splitlines()
        if f"{{% {tag} " in line and re.search(rf"\b{sibling}\b", line)
    ]
    assert wrong == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_typed(package):
    assert (folder(package) / "py.typed").is_file()
