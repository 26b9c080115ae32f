"""CSV downloads of any length, sent while the rows are read."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

ROWS_AT_ONCE = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    def write(self, value: str) -> str:
        return value


def safe_text(text: str) -> str:
    """Return text that a spreadsheet shows instead of running it as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_response(
    request: HttpRequest, filename: str, rows: Iterable[Iterable[Any]]
) -> StreamingHttpResponse:
    """Return a download of ``rows`` and read them as the browser receives them (WSGI and ASGI)."""
    chunks = _chunks(rows)
    return StreamingHttpResponse(
        _in_threads(chunks) if isinstance(request, ASGIRequest) else chunks,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def _chunks(rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    lines = (writer.writerow(row) for row in rows)
    while chunk := "".join(islice(lines, ROWS_AT_ONCE)):
        yield chunk


async def _in_threads(chunks: Iterator[str]) -> AsyncIterator[str]:
    def read() -> str:
        return next(chunks, "")

    while chunk := await sync_to_async(read)():
        yield chunk
