"""Streams that are charged for by what was sent.

:meth:`~quickscale_credits.charging.Charge.stream` creates them. Both kinds pass on the chunks of
another iterator, count them, and prolong the hold while chunks keep coming. They settle once: when
the chunks end, when they fail, or when the reader leaves.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Iterable
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from quickscale_credits.charging import Charge, Used
from quickscale_credits.exceptions import HoldStateError, IdempotencyConflictError


class _Meter:
    """The work around a chunk that both kinds of streams share."""

    def __init__(self, charging: Charge, chunks: Any, count: Callable[[Any], Used] | None) -> None:
        if charging.replayed:
            raise IdempotencyConflictError(charging.usage.idempotency_key if charging.usage else "")
        if charging.on_abort == "capture":
            charging.on_abort = None  # of a stream, only what was sent is captured
        self.charging = charging
        self._chunks = chunks
        self._count = count
        self._prolonged_at = time.monotonic()

    def _passed_on(self, chunk: Any) -> None:
        if self._count is not None:
            self.charging.add(self._count(chunk))
        self.charging.sent = True

    def _prolong(self) -> None:
        """Prolong the hold; if it has timed out, the rest is charged as a plain spend."""
        if time.monotonic() - self._prolonged_at >= self.charging.ttl.total_seconds() / 2:
            self._prolonged_at = time.monotonic()
            with suppress(HoldStateError, DatabaseError):
                self.charging.prolong()

    def close(self) -> None:
        """End the stream because the reader leaves. Async HTTP responses call this in a thread."""
        self.charging.end(GeneratorExit())

    def _complete(self) -> None:
        """Count a stream even if it had no chunks."""
        if self._count is not None:
            self.charging.add(dict.fromkeys(self.charging.quantities, 0))


class Stream(_Meter):
    """An iterator over chunks that is charged for at its end."""

    def __init__(
        self, charging: Charge, chunks: Iterable[Any], count: Callable[[Any], Used] | None
    ) -> None:
        super().__init__(charging, iter(chunks), count)

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._chunks)
            self._passed_on(chunk)
        except StopIteration:
            self._complete()
            self.charging.end(None)
            raise
        except BaseException as error:
            self.charging.end(error)
            raise
        self._prolong()
        return chunk

    def close(self) -> None:
        try:
            if hasattr(self._chunks, "close"):
                self._chunks.close()
        finally:
            super().close()


class AsyncStream(_Meter):
    """An async iterator over chunks that is charged for at its end."""

    def __init__(
        self, charging: Charge, chunks: AsyncIterable[Any], count: Callable[[Any], Used] | None
    ) -> None:
        super().__init__(charging, aiter(chunks), count)

    def __aiter__(self) -> AsyncStream:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await anext(self._chunks)
            self._passed_on(chunk)
        except StopAsyncIteration:
            self._complete()
            await self.charging.aend(None)
            raise
        except BaseException as error:
            await self.charging.aend(error)
            raise
        await sync_to_async(self._prolong)()
        return chunk

    async def aclose(self) -> None:
        try:
            if hasattr(self._chunks, "aclose"):
                await self._chunks.aclose()
        finally:
            await self.charging.aend(GeneratorExit())
