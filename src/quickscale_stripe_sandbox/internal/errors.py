"""Stripe's error responses."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A response with an ``error`` object, as https://docs.stripe.com/api/errors describes it.

    ``keep`` says whether to keep what the request wrote so far, and to remember the response for
    its idempotency key: true for a declined payment, false for a refused request.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",  # noqa: A002 - Stripe's name for it
        keep: bool = False,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keep = keep
        self.error = {"message": message, "type": type} | {
            key: value for key, value in details.items() if value is not None
        }


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a 400: the request itself is wrong."""
    return ApiError(message, param=param, code=code)


def missing(noun: str, object_id: str, param: str = "id") -> ApiError:
    """Return a 404 for an unknown id, or a 400 if it came as a parameter of another object."""
    return ApiError(
        f"No such {noun}: '{object_id}'",
        status=404 if param == "id" else 400,
        code="resource_missing",
        param=param,
    )
