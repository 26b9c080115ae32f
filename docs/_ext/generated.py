"""The directive ``generated``, which writes a part of the reference from the code itself."""

from __future__ import annotations

import inspect
import re
import sys
from argparse import Action
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import indent
from typing import Any

from asgiref.sync import SyncToAsync
from django.apps import AppConfig, apps
from django.core.checks import Tags
from django.core.checks.registry import registry
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.dispatch import Signal
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import module_has_submodule
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.rst import escape
from typer.main import get_command

from quickscale import audit, notifications, privacy
from quickscale.registry import Registry
from quickscale_cli.commands import app as quickscale_cli

CHECK = re.compile(r"^(quickscale\w*\.([EWI])\d{3}): (.+(?:\n    .+)*)", re.MULTILINE)
HOOKS = ("Callable", "Fulfilment")
LEVELS = {"E": "Error", "W": "Warning", "I": "Info"}


def our_apps() -> list[AppConfig]:
    return [app for app in apps.get_app_configs() if app.name.startswith("quickscale")]


def settings_of(app: AppConfig) -> Iterator[str]:
    for name, setting in declared_settings(app):
        value_type = setting.fget.__annotations__["return"]
        takes = "" if value_type.startswith(HOOKS) else f": {value_type}"
        yield f".. setting:: {name}{takes}\n\n{indent(inspect.getdoc(setting) or '', '   ')}"


def declared_settings(app: AppConfig) -> list[tuple[str, property]]:
    if not module_has_submodule(app.module, "conf"):
        return []
    declared = type(import_module(f"{app.name}.conf").app_settings)
    return [
        (declared.prefix + name.upper(), value)
        for name, value in vars(declared).items()
        if isinstance(value, property)
    ]


def hooks_of(app: AppConfig) -> Iterator[str]:
    for name, setting in declared_settings(app):
        if setting.fget.__annotations__["return"].startswith(HOOKS):
            yield f"- :setting:`{name}`: {first_paragraph(setting)}"


def checks_of(app: AppConfig) -> Iterator[str]:
    for check_id, level, meaning in sorted(documented_checks(app)):
        yield f".. check:: {check_id}: {level}\n\n{indent(meaning, '   ')}"


def documented_checks(app: AppConfig) -> Iterator[tuple[str, str, str]]:
    """The id, level and meaning of each check, as the docstrings of the functions say them."""
    for check in registry.registered_checks | registry.deployment_checks:
        level = ", with check --deploy" * (check in registry.deployment_checks)
        level += ", with check --database" * (Tags.database in check.tags)
        for check_id, letter, meaning in CHECK.findall(inspect.getdoc(check) or ""):
            if check_id.partition(".")[0] == app.name:
                yield check_id, LEVELS[letter] + level, inspect.cleandoc(meaning)


def signals_of(app: AppConfig) -> Iterator[str]:
    for name in sorted(sys.modules):
        if name.partition(".")[0] != app.name:
            continue
        members = vars(sys.modules[name]).items()
        signals = [key for key, value in members if isinstance(value, Signal)]
        own = [signal for signal in signals if signal in documented_in(name)]
        is_signals = name.endswith(".signals")
        if own and is_signals:
            yield f".. automodule:: {name}\n   :no-members:"
        for signal in own:
            elsewhere = "" if is_signals else "\n   :no-index:"
            yield f".. autodata:: {name}.{signal}\n   :no-value:{elsewhere}"


def documented_in(module: str) -> set[str]:
    return {name for _, name in ModuleAnalyzer.for_module(module).find_attr_docs()}


def templates_of(app: AppConfig) -> Iterator[str]:
    folder = Path(app.path) / "templates"
    rows = []
    for file in sorted(folder.rglob("*.*")):
        name = file.relative_to(folder).as_posix()
        if name.startswith("admin/") or "/elements/" in name:
            continue
        text = file.read_text()
        extends = re.findall(r'{% extends "(.+?)"', text)
        blocks = ", ".join(map(code, re.findall(r"{% block (\w+)", text)))
        rows.append([code(name), code("".join(extends)), blocks])
    yield from table(["Template", "Extends", "Blocks"], rows)


def urls_of(app: AppConfig) -> Iterator[str]:
    for module, patterns in sorted(mounted(get_resolver())):
        if module.partition(".")[0] != app.name:
            continue
        namespace = getattr(sys.modules[module], "app_name", "")
        rows = [
            [
                code(f"{namespace}:{entry.name}" if namespace else entry.name),
                code(str(entry.pattern)),
                code(getattr(view, "template_name", None) or ""),
                first_paragraph(view),
            ]
            for entry in patterns
            if isinstance(entry, URLPattern)
            for view in [getattr(entry.callback, "view_class", entry.callback)]
        ]
        yield f"``{module}``\n"
        yield from table(["Name", "Path", "Template", "Page"], rows)


def audit_of(app: AppConfig) -> Iterator[str]:
    rows = [
        [
            code(action.name),
            str(action.label),
            "required" if action.needs_reason else "",
            ", ".join(map(code, action.sources)),
        ]
        for action in declared(app, audit.actions)
    ]
    yield from table(["Action", "Meaning", "Reason", "Done by"], rows)


def notifications_of(app: AppConfig) -> Iterator[str]:
    rows = [
        [
            code(kind.name),
            str(kind.label),
            kind.audience,
            ", ".join(kind.channels),
            "" if kind.mandatory else "yes",
        ]
        for kind in declared(app, notifications.kinds)
    ]
    yield from table(["Kind", "Meaning", "For", "Channels", "Can be switched off"], rows)


def privacy_of(app: AppConfig) -> Iterator[str]:
    rows = [
        [
            f"{entry.label} ({code(entry.name)})",
            f"{code(entry.model)}: {', '.join(map(code, entry.fields))}",
            str(entry.purpose),
            f"{entry.kept_for}. {entry.keep}",
        ]
        for entry in declared(app, privacy.stored)
    ]
    yield from table(["Data", "Stored in", "Purpose", "Kept"], rows)


def declared(app: AppConfig, registry: Registry) -> list:
    prefix = app.label.removeprefix("quickscale_")
    return [entry for entry in registry if entry.name.partition(".")[0] == prefix]


def first_paragraph(documented: object) -> str:
    text = inspect.cleandoc(documented.__doc__ or "")
    return text.partition("\n\n")[0].replace("\n", " ")


def mounted(resolver: URLResolver) -> Iterator[tuple[str, list[URLPattern | URLResolver]]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from mounted(entry)
            name = getattr(entry.urlconf_module, "__name__", "")
            if name.startswith("quickscale"):
                yield name, entry.url_patterns


def commands_of(app: AppConfig) -> Iterator[str]:
    known = {option for action in actions_of(BaseCommand()) for option in action.option_strings}
    for name, owner in sorted(get_commands().items()):
        if owner != app.name:
            continue
        command = load_command_class(app.name, name)
        own = [each for each in actions_of(command) if not known & set(each.option_strings)]
        arguments = "\n".join(f"   {argument(each)}" for each in own)
        yield f".. command:: {name}\n\n   {escape(command.help)}\n\n{arguments}"


def actions_of(command: BaseCommand) -> list[Action]:
    return command.create_parser("manage.py", "command")._actions


def argument(action: Action) -> str:
    value = "" if action.nargs == 0 else action.metavar or action.dest.upper()
    written = " ".join(filter(None, [", ".join(action.option_strings), value]))
    shown = () if action.metavar else action.choices or ()
    choices = ", ".join(code(str(choice)) for choice in shown)
    meaning = escape((action.help or "") % vars(action))
    return f"{code(written)}\n      {'; '.join(filter(None, [meaning, choices]))}"


def command_line() -> Iterator[str]:
    program = get_command(quickscale_cli)
    for name, command in [("", program), *program.commands.items()]:
        written = f"quickscale {name}".strip()
        parameters = "\n".join(f"   {parameter(each)}" for each in command.params)
        yield f".. cli:: {written}\n\n   {escape(command.help)}\n\n{parameters}"


def parameter(given: Any) -> str:
    written = given.name.upper()
    default = given.default
    if given.param_type_name == "option":
        names = ", ".join([*given.opts, *given.secondary_opts])
        written = names if given.is_flag else f"{names} {written}"
        default = given.opts[0] if default is True else default
    meaning = escape(given.help) + (f" Default: {code(str(default))}." if default else "")
    return f"{code(written)}\n      {meaning}"


def code(text: str) -> str:
    return f"``{text}``" if text else ""


def table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    if not rows:
        return
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for first, *others in [head, *rows]:
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    yield "\n".join(lines)


KINDS = {
    "audit": audit_of,
    "checks": checks_of,
    "commands": commands_of,
    "hooks": hooks_of,
    "notifications": notifications_of,
    "privacy": privacy_of,
    "settings": settings_of,
    "signals": signals_of,
    "templates": templates_of,
    "urls": urls_of,
}


class Generated(SphinxDirective):
    """``.. generated:: settings``, one section for each app."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the code may have changed
        text = ""
        for app in our_apps():
            parts = list(KINDS[self.arguments[0]](app))
            if parts:
                text += "\n\n".join([f"{app.name}\n{'-' * len(app.name)}", *parts]) + "\n\n"
        return self.parse_text_to_nodes(text, allow_section_headings=True)


class CommandLine(SphinxDirective):
    """``.. command-line::``, what the parser of ``quickscale`` says."""

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the code may have changed
        return self.parse_text_to_nodes("\n\n".join(command_line()))


def named(env: BuildEnvironment, signature: str, node: addnodes.desc_signature) -> str:
    """Parse ``NAME: what it is``, of which the name is what others refer to."""
    name, colon, rest = signature.partition(": ")
    node += addnodes.desc_name(name, name)
    if colon:
        node += addnodes.desc_annotation("", f": {rest}")
    return name


def read_google_style(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Napoleon itself takes the words before a colon in a property's docstring for its type."""
    lines[:] = GoogleDocstring(lines).lines()


def leave_out_twins(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """Leave out the async twins, whose docstrings are those of the functions themselves."""
    return True if isinstance(obj, SyncToAsync) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("generated", Generated)
    app.add_directive("command-line", CommandLine)
    app.connect("autodoc-process-docstring", read_google_style)
    app.connect("autodoc-skip-member", leave_out_twins)
    for kind in ("setting", "check", "command", "cli"):
        app.add_object_type(kind, kind, f"pair: %s; {kind}", parse_node=named)
    return {"parallel_read_safe": True}
