"""Charge for every call of a function or view, sync or async::

    @metered("summarise", units=lambda text: len(text))
    def summarise(owner, text): ...

    @metered("report")
    async def report(request): ...

:func:`charge` does the same for a block of code.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, TypeVar, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from quickscale.internal.problems import problem, wants_problem
from quickscale.login import redirect_to_login
from quickscale.owner import get_owner
from quickscale_credits.charging import Charge, OnAbort, Units, Used, charge
from quickscale_credits.conf import app_settings
from quickscale_credits.exceptions import (
    AccountFrozenError,
    ChargeInProgressError,
    InactiveServiceError,
    InsufficientCreditsError,
)
from quickscale_credits.http import announce_change
from quickscale_credits.internal.databases import non_atomic_requests
from quickscale_credits.internal.streams import AsyncStream, Stream
from quickscale_credits.models import Service, ServiceUsage
from quickscale_credits.pricing import AccountQuote, quote
from quickscale_credits.services import BaseService, metered_codes

__all__ = ["Charge", "charge", "metered", "quote_use", "use"]

T = TypeVar("T", bound=Callable[..., Any])

_REFUSALS = (
    AccountFrozenError,
    ChargeInProgressError,
    InactiveServiceError,
    InsufficientCreditsError,
)


def use(
    service: BaseService,
    *,
    owner: Any,
    data: Mapping[str, Any],
    idempotency_key: str | None = None,
) -> ServiceUsage:
    """Run a registered service for its price; the result is in the usage's ``metadata``.

    If the key was already charged, return the first usage without running the work again.

    Raises:
        ServiceError: the service can't do the work.
        CreditsError: any error that :func:`charge` raises.
    """
    with charge(
        owner, service.code, **_asked(service, data), idempotency_key=idempotency_key
    ) as charging:
        if not charging.replayed:
            run = service.run
            if inspect.iscoroutinefunction(run):
                run = async_to_sync(run)
            charging.metadata["result"] = run(**data)
    return cast("ServiceUsage", charging.usage)


def quote_use(
    service: BaseService, *, owner: Any, data: Mapping[str, Any], row: Service | None = None
) -> AccountQuote:
    """Return what :func:`use` would charge the owner for the same data now; nothing is held.

    A service whose :attr:`~quickscale_credits.services.BaseService.has_fixed_cost` is true needs
    no data. ``row`` is the service's row, if it was read already.

    Raises:
        ServiceError: the service can't do the work.
        CreditsError: any error that :func:`~quickscale_credits.pricing.quote` raises.
    """
    return quote(owner, row or service.code, **_asked(service, data))


def _asked(service: BaseService, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"quantities": service.quantities(**data), "dimension": service.dimension(**data)}


def metered(
    code: str,
    *,
    units: Units | Callable[..., Units] = 1,
    quantities: Mapping[str, Units] | Callable[..., Mapping[str, Units]] | None = None,
    dimension: str | Callable[..., str] = "",
    owner: Callable[..., Any] | None = None,
    count: Callable[[Any], Used] | None = None,
    on_abort: OnAbort | None = None,
) -> Callable[[T], T]:
    """Charge for every call of a function, a method, a view or a view class.

    ``units``, ``quantities`` and ``dimension`` are arguments of :func:`charge`, or callables that
    return them and take any of the function's arguments by name. ``owner`` is such a callable, too.
    Without ``owner``, the owner of the request pays if the function gets a request from Django or
    Django REST framework. Otherwise, the argument named ``owner`` pays, or else the first one.

    A function that gets a request is a view. A visitor who acts for no owner is redirected to the
    login or gets status 401. If the owner can't be charged, the response comes from
    :func:`~quickscale_credits.http.refused_response`. A response with status 400 or higher, or one
    that fails to render, is free. The view runs outside ``ATOMIC_REQUESTS``. On a view class,
    every method but ``options`` is charged, after the class's own permission checks.

    Generators, sync or async, and streaming responses are charged for what was sent. See
    :meth:`Charge.stream <quickscale_credits.metering.Charge.stream>` for ``count`` and
    ``on_abort``. A sync generator holds its credits when it is called, an async one before its
    first chunk.

    Raises:
        TypeError: the function has no arguments, or lacks one that a callable names; raised at
            decoration.
        InvalidRequestError: the payer is not an instance of the owner model; raised at the call.
    """
    metered_codes.add(code)

    def decorate(work: T) -> T:
        if inspect.isclass(work):
            return cast("T", _with_charged_methods(work, decorate))
        read = _reader(work, owner, units=units, quantities=quantities, dimension=dimension)

        def begin(call: _Call) -> Charge:
            return charge(call.owner, code, actor=call.actor, on_abort=on_abort, **call.asked)

        return cast("T", _wrapped(work, read, begin, count))

    return decorate


@dataclass(frozen=True)
class _Call:
    """Who pays for one call; ``request`` is set if the call is a view's."""

    owner: Any
    actor: Any
    request: HttpRequest | None
    asked: dict[str, Any]


_Read = Callable[[tuple[Any, ...], Mapping[str, Any]], _Call]
_Begin = Callable[[_Call], Charge]


def _wrapped(
    work: Callable[..., Any], read: _Read, begin: _Begin, count: Callable[[Any], Used] | None
) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(work):

        @wraps(work)
        def generator(*args: Any, **kwargs: Any) -> Stream:
            return begin(read(args, kwargs)).stream(work(*args, **kwargs), count=count)

        return generator

    if inspect.isasyncgenfunction(work):

        @wraps(work)
        async def async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            charging = begin(await sync_to_async(read)(args, kwargs))
            chunks = await charging.astream(work(*args, **kwargs), count=count)
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

        return async_generator

    if iscoroutinefunction(work):

        @wraps(work)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            call = await sync_to_async(read)(args, kwargs)
            if call.request is None:
                async with begin(call):
                    return await work(*args, **kwargs)
            if call.owner is None:
                return await sync_to_async(_refuse_visitor)(call.request)
            charging = begin(call)
            try:
                await charging.__aenter__()
                try:
                    response = await work(*args, **kwargs)
                except BaseException as error:
                    await charging.aend(error)
                    raise
                await sync_to_async(_settle_response)(charging, response, count)
            except _REFUSALS as error:
                return await sync_to_async(_refuse)(call.request, error)
            return response

        return non_atomic_requests(coroutine)

    @wraps(work)
    def function(*args: Any, **kwargs: Any) -> Any:
        call = read(args, kwargs)
        if call.request is None:
            with begin(call):
                return work(*args, **kwargs)
        if call.owner is None:
            return _refuse_visitor(call.request)
        charging = begin(call)
        try:
            charging.__enter__()
            try:
                response = work(*args, **kwargs)
            except BaseException as error:
                charging.end(error)
                raise
            _settle_response(charging, response, count)
        except _REFUSALS as error:
            return _refuse(call.request, error)
        return response

    return non_atomic_requests(function)


def _with_charged_methods(view: Any, decorate: Callable[[Any], Any]) -> Any:
    """Charge for each request to a view class when its method is called, after all checks."""
    if not hasattr(view, "dispatch"):
        raise TypeError(f"{view.__qualname__} is not a view: decorate its methods.")
    dispatch = view.dispatch

    @wraps(dispatch)
    def charged_dispatch(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        name = str(request.method).lower()
        if name in self.http_method_names and name != "options" and hasattr(self, name):
            setattr(self, name, decorate(getattr(self, name)))
        return dispatch(self, request, *args, **kwargs)

    view.dispatch = non_atomic_requests(charged_dispatch)
    return view


def _reader(work: Callable[..., Any], owner: Callable[..., Any] | None, **asked: Any) -> _Read:
    """Return a function that finds in a call's arguments who pays for how much."""
    # Django's method_decorator() passes a partial of a bound method. Following the wrapped function
    # would give the signature of the unbound method.
    signature = inspect.signature(work, follow_wrapped=not isinstance(work, partial))
    if not signature.parameters:
        raise TypeError(f"{work.__qualname__} has no argument that says who pays.")
    hooks = {
        name: _by_name(hook, signature, work)
        for name, hook in {"owner": owner, **asked}.items()
        if callable(hook)
    }

    def read(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Call:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments.update(arguments.pop(name))
        request = next(filter(_is_request, [*args, *kwargs.values()]), None)
        answers = {name: hook(arguments) for name, hook in hooks.items()}
        if owner is not None:
            payer = answers.pop("owner")
        elif request is not None:
            payer = get_owner(request)
        else:
            payer = arguments.get("owner", next(iter(bound.arguments.values())))
        return _Call(payer, _actor(request, payer), request, {**asked, **answers})

    return read


def _by_name(
    hook: Callable[..., Any], signature: inspect.Signature, work: Callable[..., Any]
) -> Callable[[Mapping[str, Any]], Any]:
    names = list(inspect.signature(hook).parameters)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    unknown = [name for name in names if name not in signature.parameters]
    if unknown and not takes_any:
        raise TypeError(
            f"{getattr(work, '__qualname__', work)} has no argument {', '.join(unknown)}."
        )
    return lambda arguments: hook(**{name: arguments[name] for name in names})


def _is_request(value: Any) -> bool:
    """Return whether it is a request of Django, or one of Django REST framework, which wraps it."""
    return isinstance(value, HttpRequest) or isinstance(
        getattr(value, "_request", None), HttpRequest
    )


def _django_request(request: Any) -> HttpRequest:
    return request if isinstance(request, HttpRequest) else request._request


def _actor(request: Any, payer: Any) -> Any:
    """Return the user who acts for an owner of another kind, such as a team."""
    user = getattr(request, "user", None)
    return user if isinstance(user, get_user_model()) and user != payer else None


def _settle_response(charging: Charge, response: Any, count: Callable[[Any], Used] | None) -> None:
    """Charge for a response once it is final: now, when it is rendered, or while it is sent."""
    if _status(response) >= 400:
        charging.release()
        return
    if isinstance(response, StreamingHttpResponse):
        kind: Any = AsyncStream if response.is_async else Stream
        response.streaming_content = kind(charging, response.streaming_content, count)
    elif getattr(response, "is_rendered", True):
        charging.settle()
    else:
        _charge_when_rendered(charging, response)
        return
    if isinstance(response, HttpResponseBase):
        announce_change(response)


def _status(response: Any) -> int:
    """Return a response's status. In Django Ninja it may be a tuple of status and body."""
    match response:
        case (int(status), *_):
            return status
    return int(getattr(response, "status_code", 200))


def _charge_when_rendered(charging: Charge, response: Any) -> None:
    render = response.render

    def charged_render() -> Any:
        del response.render
        try:
            rendered = render()
        except BaseException as error:
            charging.end(error)
            raise
        charging.end(None)
        announce_change(rendered)
        return rendered

    response.render = charged_render


def _refuse(request: Any, error: Any) -> Any:
    return app_settings.refused_response(request=_django_request(request), error=error)


def _refuse_visitor(request: Any) -> Any:
    plain = _django_request(request)
    if wants_problem(plain):
        return problem(401, "not_authenticated", "Sign in, or send credentials.")
    return redirect_to_login(plain)
