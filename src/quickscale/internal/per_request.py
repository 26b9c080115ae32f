"""Share what the panels of a page read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from django.http import HttpRequest

T = TypeVar("T")


def once_per_request(read: Callable[[HttpRequest], T]) -> Callable[[HttpRequest], T]:
    """Call the function once for each request, and return the same value to later callers."""
    found: WeakKeyDictionary[HttpRequest, T] = WeakKeyDictionary()

    @wraps(read)
    def shared(request: HttpRequest) -> T:
        if request not in found:
            found[request] = read(request)
        return found[request]

    return shared
