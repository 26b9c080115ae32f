"""Mutation testing of the modules that decide money; see docs/explanation/mutation-testing.md.

mutmut makes the mutants, and this script runs the tests. pytest collects them and makes the
database once, and each mutant is tried in a fork of that process with the tests that reach its
function. mutmut's own runner starts pytest for each mutant, which costs seconds with Django and its
migrations. It also leaves out every decorated function, and so everything with
``transaction.atomic``.

    python scripts/mutation.py [--fresh] [--list] MODULE...
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections import defaultdict
from fnmatch import fnmatch
from importlib import reload
from pathlib import Path
from types import ModuleType
from typing import Any

import libcst as cst
import pytest
from mutmut.mutation import file_mutation, mutators
from mutmut.mutation.data import LineSpan, SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import get_mutant_name, mangled_name_from_mutant_name

ROOT = Path(__file__).resolve().parents[1]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutation"]
SOURCES = {Path(path).stem: Path(path) for path in CONFIG["modules"]}
SURVIVED, KILLED, NO_TESTS, TIMEOUT, ILL_TYPED = 0, 1, 33, 36, 37
# Errors that mypy reports for mutmut's own lines, and for its conditions that are always true.
NOT_OF_TYPES = {"ignore-without-code", "redundant-expr", "truthy-bool", "unused-ignore"}


class Visitor(file_mutation.MutationVisitor):
    """Mutates also functions whose decorators may be applied twice, but no texts for people."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Call) and any(
            fnmatch(_dotted(node.func), name) for name in CONFIG["ignored_calls"]
        ):
            return True
        if isinstance(node, cst.FunctionDef) and node.decorators:
            names = {_dotted(decorator.decorator) for decorator in node.decorators}
            if names <= set(CONFIG["harmless_decorators"]):
                return False
        return super()._skip_node_and_children(node)


def _dotted(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    if isinstance(node, cst.Call):
        return _dotted(node.func)
    return node.value if isinstance(node, cst.Name) else ""


def _one_change(node: cst.BaseString) -> list[cst.BaseString]:
    """Keep one of mutmut's three changes of a string, since the same tests notice each."""
    return list(mutators.operator_string(node))[:1]


def mutated(path: Path) -> file_mutation.MutatedFile:
    file_mutation.MutationVisitor = Visitor  # type: ignore[misc]
    file_mutation.mutation_operators = [
        (kind, _one_change if change is mutators.operator_string else change)
        for kind, change in mutators.mutation_operators
    ]
    return file_mutation.mutate_file_contents(str(path), path.read_text())


def make_mutants(modules: list[str], *, fresh: bool) -> dict[str, SourceFileMutationData]:
    """Copy the sources to ``mutants/``, with the mutants in place of the modules."""
    shutil.copytree(
        "src", "mutants/src", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    made, spans = {}, {}
    for module in modules:
        path = SOURCES[module]
        made_of = mutated(path)
        (Path("mutants") / path).write_text(made_of.code)
        data = SourceFileMutationData(path=path)
        if not fresh:
            data.load()
        before, known = data.exit_code_by_key, data.hash_by_function_name
        data.exit_code_by_key = {}
        for name in made_of.mutant_names:
            key = get_mutant_name(path, name)
            function = mangled_name_from_mutant_name(name)
            is_same = known.get(function) == made_of.hash_by_function_name.get(function)
            data.exit_code_by_key[key] = before.get(key) if is_same else None
        data.hash_by_function_name = dict(made_of.hash_by_function_name)
        data.save()
        spans[module] = made_of.line_span_by_function_name
        made[module] = data
    new = [module for module in modules if None in made[module].exit_code_by_key.values()]
    if new:
        errors = _type_errors([SOURCES[module] for module in new])
        for module in new:
            data = made[module]
            found = errors[str(data.path)]
            for name, span in spans[module].items():
                key = get_mutant_name(data.path, name)
                own = spans[module][name.partition("__mutmut_")[0] + "__mutmut_orig"]
                if data.exit_code_by_key.get(key, KILLED) is None and not _in(span, found) <= _in(
                    own, found
                ):
                    data.exit_code_by_key[key] = ILL_TYPED
            data.save()
    return made


def _in(span: LineSpan, errors: set[tuple[int, str]]) -> set[tuple[int, str]]:
    """Return the errors within a function, by its own line numbers."""
    return {(line - span.start, text) for line, text in errors if span.start <= line <= span.end}


def _type_errors(paths: list[Path]) -> dict[str, set[tuple[int, str]]]:
    """Return mypy's errors in each file; ``tox -e typing`` would refuse such a mutant."""
    shutil.copy("pyproject.toml", "mutants")
    if not Path("mutants/tests").exists():
        Path("mutants/tests").symlink_to("../tests")
    command = [sys.executable, "-m", "mypy", "--output", "json", *map(str, paths)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([f"{ROOT}/mutants/src", str(ROOT)])}
    found = subprocess.run(
        command, cwd="mutants", env=environment, capture_output=True, text=True, check=False
    )
    if found.returncode not in (0, 1):
        raise SystemExit(found.stdout + found.stderr)
    errors = defaultdict(set)
    for error in map(json.loads, found.stdout.splitlines()):
        if error["severity"] == "error" and error["code"] not in NOT_OF_TYPES:
            errors[error["file"]].add((error["line"], error["message"]))
    return errors


class Runner:
    """Runs all tests once to see what they reach, then those of each mutant in a fork."""

    def __init__(self, modules: dict[str, SourceFileMutationData]) -> None:
        self.modules = modules
        self.has_failed = False
        self.tests: dict[str, list[pytest.Item]] = defaultdict(list)
        self.seconds: dict[pytest.Item, float] = {}
        self.rank: dict[pytest.Item, int] = {}
        self.killers: dict[str, list[int]] = defaultdict(list)
        self.sound: set[str] = set()
        self.imported: dict[str, list[ModuleType]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.has_failed = self.has_failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("a test can't be collected")
        self.end = _End(session)
        self.items = session.items
        set_mutant_under_test("stats")
        self._read_imports()
        for number, item in enumerate(session.items):
            started = time.monotonic()
            self._run(item)
            self.seconds[item] = time.monotonic() - started
            for function in state()._stats:
                if item.module not in self.imported[function]:
                    self.tests[function].append(item)
            state()._stats.clear()
            self.rank[item] = number
            if self.has_failed:
                raise session.Interrupted(f"{item.nodeid} fails without a mutant")
        for data in self.modules.values():
            self._try_all(data)
        return True

    def _read_imports(self) -> None:
        """Let all tests of a file reach what it calls on import, such as a decorator."""
        for module in dict.fromkeys(item.module for item in self.items):
            state()._stats.clear()
            reload(module)
            for function in state()._stats:
                self.imported[function].append(module)
                self.tests[function] += [item for item in self.items if item.module is module]
        state()._stats.clear()

    def _run(self, item: pytest.Item) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=self.end)

    def _try_all(self, data: SourceFileMutationData) -> None:
        for name, code in list(data.exit_code_by_key.items()):
            if code in (KILLED, TIMEOUT, ILL_TYPED):
                continue
            started = time.monotonic()
            tests = self._tests_of(name)
            self._require_survival(mangled_name_from_mutant_name(name), tests)
            code = self._try(name, tests) if tests else NO_TESTS
            data.exit_code_by_key[name] = code
            data.durations_by_key[name] = time.monotonic() - started
            data.save()
            words = {SURVIVED: "survived", KILLED: "killed", NO_TESTS: "no tests"}
            print(
                f"{name}: {words.get(code, 'timeout')}, {len(tests)} tests,"
                f" {time.monotonic() - started:.1f} s",
                flush=True,
            )

    def _require_survival(self, function: str, tests: list[pytest.Item]) -> None:
        """Try the function as it is: a test that fails without a mutant would kill each of them."""
        if not tests or function in self.sound:
            return
        if self._try(f"{function}__mutmut_orig", tests) != SURVIVED:
            raise pytest.UsageError(f"The tests of {function} fail without a mutant.")
        self.sound.add(function)

    def _tests_of(self, name: str) -> list[pytest.Item]:
        """Return a mutant's tests: the latest killers of its function first, then the fast ones."""
        function = mangled_name_from_mutant_name(name)
        killers = self.killers[function]
        return sorted(
            self.tests[function],
            key=lambda item: (
                -killers.index(self.rank[item]) - 1 if self.rank[item] in killers else 0,
                self.seconds[item],
            ),
        )

    def _try(self, name: str, tests: list[pytest.Item]) -> int:
        from django.db import connections

        connections.close_all()
        sys.stdout.flush()
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            self._try_in_child(name, tests, writer)
        os.close(writer)
        limit = time.monotonic() + 20 + 5 * sum(self.seconds[item] for item in tests)
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > limit:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                os.close(reader)
                return TIMEOUT
            time.sleep(0.01)
        killer = os.read(reader, 20)
        os.close(reader)
        if killer:
            killers = self.killers[mangled_name_from_mutant_name(name)]
            if int(killer) in killers:
                killers.remove(int(killer))
            killers.append(int(killer))
        return SURVIVED if ended[1] == 0 else KILLED

    def _try_in_child(self, name: str, tests: list[pytest.Item], writer: int) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        code = KILLED
        try:
            set_mutant_under_test(name)
            for module in self.imported[mangled_name_from_mutant_name(name)]:
                reload(module)
            for item in tests:
                self._run(item)
                if self.has_failed:
                    os.write(writer, str(self.rank[item]).encode())
                    break
            else:
                code = SURVIVED
        finally:
            os._exit(code)


class _End:
    """Stands for the next test in pytest, so that fixtures of the session are kept."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session

    def listchain(self) -> list[Any]:
        return [self.session]


def report(modules: dict[str, SourceFileMutationData]) -> None:
    for module, data in modules.items():
        codes = list(data.exit_code_by_key.values())
        killed = sum(code in (KILLED, TIMEOUT) for code in codes)
        print(
            f"{module}: {len(codes)} mutants, {killed} killed, of them {codes.count(TIMEOUT)} by"
            f" time, {codes.count(ILL_TYPED)} refused by mypy, {codes.count(SURVIVED)} survived,"
            f" {codes.count(NO_TESTS)} without tests, {codes.count(None)} not tried"
        )


def show_survivors(modules: dict[str, SourceFileMutationData]) -> None:
    for module, data in modules.items():
        source = mutated(SOURCES[module]).code
        for name, code in data.exit_code_by_key.items():
            if code in (SURVIVED, NO_TESTS):
                print(name, "survived" if code == SURVIVED else "no tests")
                diff = get_diff_for_mutant(name, source=source, path=data.path).splitlines()[2:]
                print("\n".join(line for line in diff if line[:1] in "-+@"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", choices=[[], *SOURCES], metavar="MODULE")
    parser.add_argument("--fresh", action="store_true", help="forget what was found before")
    parser.add_argument("--list", action="store_true", help="show the survivors, run nothing")
    parser.add_argument("--tests", nargs="*", help="these tests instead of the module's")
    options = parser.parse_args()
    os.chdir(ROOT)
    modules = options.modules or list(SOURCES)
    if options.list:
        known = {module: SourceFileMutationData(path=SOURCES[module]) for module in modules}
        for data in known.values():
            data.load()
        show_survivors(known)
        report(known)
        return 0
    made = make_mutants(modules, fresh=options.fresh)
    sys.path[:0] = [str(ROOT / "mutants" / "src"), str(ROOT)]
    tests = options.tests or list(
        dict.fromkeys(path for module in modules for path in CONFIG["tests"][module])
    )
    code = pytest.main(
        [
            *("-o", "addopts=--strict-markers"),
            *("-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider", "-q"),
            *("--ds", "tests.projects.everything.settings", "-m", "not browser"),
            *("--create-db", "--reuse-db"),  # Made new, and kept for processes that end late.
            *tests,
        ],
        plugins=[Runner(made)],
    )
    report(made)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
