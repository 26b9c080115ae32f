"""What the installed ``stripe`` package declares about requests.

Stripe generates the package from the API's own specification for one pinned version, so its
parameter types are what the API accepts.
"""

from __future__ import annotations

import inspect
import re
import typing
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import import_module
from types import NoneType, UnionType
from typing import Any, Literal, Union
from urllib.parse import parse_qsl

import typing_extensions
from stripe import _request_options
from stripe._stripe_object import UntypedStripeObject

from quickscale_stripe_sandbox.internal.errors import ApiError, invalid

_MAX_METADATA = 50
_REMOVED = {"payment_method_types"}
#: Parameters that are accepted and change nothing here, such as how pages look.
_HARMLESS = {
    "after_expiration", "automatic_payment_methods", "branding_settings", "consent_collection",
    "custom_text", "invoice_settings", "name_collection", "origin_context",
    "payment_method_configuration", "payment_method_options", "payment_settings",
    "phone_number_collection", "redirect_on_completion", "return_url",
    "saved_payment_method_options", "shipping", "statement_descriptor",
    "statement_descriptor_suffix", "usage", "use_stripe_sdk", "wallet_options",
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One method of one of the SDK's services, and so one route of the API."""

    name: str
    method: str
    path: str
    params: type | None

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"ID\d", "([^/]+)", self.path))

    @property
    def placeholders(self) -> int:
        return len(re.findall(r"ID\d", self.path))


class _Requestor:
    """Replaces the part of the SDK that sends requests, and only notes the route."""

    def request(self, method: str, url: str, *args: object, **kwargs: object) -> None:
        self.route = (method.upper(), url)


@cache
def operation(name: str) -> Operation:
    """Return the route and parameter type of a service method such as
    ``checkout.sessions.create``."""
    *services, verb = name.split(".")
    module, factory = import_module("stripe._v1_services"), None
    for service in services:
        path, class_name = module._subservices[service]
        module = import_module(path)
        factory = getattr(module, class_name)
    requestor = _Requestor()
    function = getattr(factory, verb)
    parameters = inspect.signature(function).parameters
    ids = [
        f"ID{index}"
        for index, parameter in enumerate(parameters.values())
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY
        and parameter.name not in {"self", "params", "options"}
    ]
    # Some methods require parameters as the first argument; an empty mapping is enough for a route.
    function(factory(requestor), *ids, *([{}] if "params" in parameters else []))  # type: ignore[misc]
    method, url = requestor.route
    return Operation(name, method, url, _params_type(module.__name__, parameters))


def _params_type(module: str, parameters: typing.Mapping[str, inspect.Parameter]) -> type | None:
    if "params" not in parameters:
        return None
    found = re.search(r"\w+Params", str(parameters["params"].annotation))
    package = ".".join(["stripe", "params", *module.split(".")[1:-1]])
    return getattr(import_module(package), found.group()) if found else None


def parse_form(text: str) -> dict[str, Any]:
    """Read nested parameters from Stripe's form encoding: ``items[0][price]=x``, ``expand[]=y``."""
    root: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        first, *rest = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", key) or [key]
        node, name = root, first
        for part in rest:
            child = node.setdefault(name, {})
            if not isinstance(child, dict):
                raise invalid(f"Invalid object: {name}", name)
            node, name = child, part or str(len(child))
        node[name] = value
    return root


def without_removed(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters without those that only versions before the pinned one know.

    A client that names no version, such as Stripe's CLI, uses the account's, which may be older.
    """
    return {key: value for key, value in raw.items() if key not in _REMOVED}


def check_params(params_type: type | None, raw: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with their declared types.

    Raises:
        ApiError: unknown, missing, of another type, or outside the declared values.
    """
    if params_type is None:
        if raw:
            raise _unknown(next(iter(raw)))
        return {}
    return _fields(raw, params_type, "")


@cache
def _declared_params(params_type: Any) -> dict[str, Any]:
    # Parameter types inherit the request options, whose names their own modules don't import.
    names = {**vars(_request_options), "StripeContext": object}
    hints = typing_extensions.get_type_hints(params_type, localns=names)
    options = _request_options.RequestOptions.__annotations__
    return {key: hint for key, hint in hints.items() if key not in options}


def _unknown(name: str) -> ApiError:
    return invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")


def _fields(raw: Any, params_type: Any, name: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise invalid(f"Invalid object: {raw}", name)
    declared = _declared_params(params_type)

    def full(key: str) -> str:
        return f"{name}[{key}]" if name else key

    for key in raw:
        if key not in declared:
            raise _unknown(full(key))
    for key in sorted(params_type.__required_keys__):
        if key not in raw:
            raise invalid(f"Missing required param: {full(key)}.", full(key), "parameter_missing")
    if "CreateParams" in params_type.__name__:
        for key, value in raw.items():
            if value == "" and "" not in _literals(declared[key]):
                raise _empty(full(key))
    return {key: _typed(value, declared[key], full(key)) for key, value in raw.items()}


def _literals(hint: Any) -> list[Any]:
    """Return the values that a hint and all its members list."""
    if typing.get_origin(hint) is Literal:
        return list(typing.get_args(hint))
    if typing.get_origin(hint) in (Union, UnionType):
        return [choice for member in typing.get_args(hint) for choice in _literals(member)]
    return []


def _empty(name: str) -> ApiError:
    """docs.stripe.com/error-codes#parameter-invalid-empty: a new object has nothing to unset."""
    return invalid(
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset"
        f" a parameter; however '{name}' cannot be unset. You should remove '{name}' from your"
        " request or supply a non-empty value.",
        name,
        "parameter_invalid_empty",
    )


def _typed(value: Any, hint: Any, name: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (Union, UnionType):
        return _one_of(value, typing.get_args(hint), name)
    if origin is Literal:
        return _literal(value, list(typing.get_args(hint)), name)
    if origin is list:
        return _list(value, typing.get_args(hint)[0], name)
    if origin is dict or (
        isinstance(origin or hint, type) and issubclass(origin or hint, UntypedStripeObject)
    ):
        return _mapping(value, name)
    if typing_extensions.is_typeddict(hint):
        return _fields(value, hint, name)
    return _scalar(value, hint, name)


def _one_of(value: Any, members: tuple[Any, ...], name: str) -> Any:
    literals = [choice for member in members for choice in _literals(member)]
    if isinstance(value, str) and value in literals:
        return value
    # The SDK writes an enum that may grow as "Literal[...] | str". Today it has these values.
    closed = any(literals)
    others = [
        member
        for member in members
        if typing.get_origin(member) is not Literal
        and member is not NoneType
        and not (closed and member is str)
    ]
    if not others:
        return _literal(value, literals, name)
    if isinstance(value, dict):
        others = [member for member in others if _is_structure(member)] or others
    else:
        others = [member for member in others if not _is_structure(member)] or others
    for member in others[:-1]:
        try:
            return _typed(value, member, name)
        except ApiError:
            continue
    return _typed(value, others[-1], name)


def _is_structure(hint: Any) -> bool:
    return not (isinstance(hint, type) and hint in _SCALARS)


def _literal(value: Any, choices: list[Any], name: str) -> Any:
    if value not in choices:
        shown = [str(choice) for choice in choices if choice != ""]
        listed = " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
        raise invalid(f"Invalid {name}: must be one of {listed}", name)
    return value


def _list(value: Any, member: Any, name: str) -> list[Any]:
    if not isinstance(value, dict) or not all(key.isdecimal() for key in value):
        raise invalid("Invalid array", name)
    return [
        _typed(value[key], member, f"{name}[{index}]")
        for index, key in enumerate(sorted(value, key=int))
    ]


def _mapping(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise invalid(f"Invalid object: {name}", name)
    for key, text in value.items():
        if len(key) > 40 or len(text) > 500:
            raise invalid(
                "Metadata keys can be up to 40 characters long, and values up to 500.",
                f"{name}[{key}]",
            )
    if len(value) > _MAX_METADATA:
        raise invalid(f"You can specify at most {_MAX_METADATA} metadata keys.", name)
    return value


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


_SCALARS: dict[Any, tuple[Any, str]] = {
    bool: (_boolean, "boolean"),
    int: (int, "integer"),
    float: (float, "decimal"),
    Decimal: (Decimal, "decimal"),
    str: (str, "string"),
}


def _scalar(value: Any, hint: Any, name: str) -> Any:
    convert, noun = _SCALARS.get(hint, (str, "string"))
    if not isinstance(value, str):
        raise invalid(f"Invalid {noun}: {name}", name)
    try:
        return convert(value)
    except (KeyError, ValueError, InvalidOperation):
        code = "parameter_invalid_integer" if hint is int else None
        raise invalid(f"Invalid {noun}: {value}", name, code) from None


class Params(dict[str, Any]):
    """Checked parameters that note which of them an operation has read.

    An operation can't obey a parameter that it didn't read. The sandbox refuses such a parameter
    instead of ignoring it.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.read.add(str(key))
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def pop(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().pop(key, default)

    def check_read(self) -> None:
        """Refuse parameters that the sandbox doesn't read.

        Raises:
            ApiError: a parameter was not read, and isn't one that only changes how pages look.
        """
        for name in sorted(self.keys() - self.read - _HARMLESS):
            raise invalid(f"Stripe knows {name}, but the sandbox doesn't yet.", name)
