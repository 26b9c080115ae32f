"""Process many rows, a few per request, so that a page can show the progress."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib import messages
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from quickscale.admin.pages import PagesMixin

SESSION_KEY = "quickscale_job"


@dataclass
class Job:
    """The rows to process, stored in the session of the person who started the job.

    Attributes:
        id: appears in URLs and can be part of an idempotency key.
        kind: the kind of work.
        keys: the primary keys of the rows, as text.
        data: anything else that the work needs, as JSON can hold it.
    """

    id: str
    kind: str
    keys: list[str]
    data: dict[str, Any]

    @classmethod
    def begin(cls, session: SessionBase, kind: str, keys: Iterable[Any]) -> Job:
        job = cls(id=str(uuid.uuid4()), kind=kind, keys=[str(key) for key in keys], data={})
        job.save(session)
        return job

    @classmethod
    def load(cls, session: SessionBase, kind: str, job_id: Any) -> Job | None:
        """Return the job with that kind and id if it is the session's last one."""
        kept = session.get(SESSION_KEY)
        found = cls(**kept) if kept else None
        return found if found and (found.kind, found.id) == (kind, str(job_id)) else None

    def save(self, session: SessionBase) -> None:
        session[SESSION_KEY] = asdict(self)


class JobsMixin(PagesMixin):
    """Add the page of a job."""

    def job_page(
        self,
        request: HttpRequest,
        job: Job,
        run: Callable[[list[str]], int],
        *,
        title: Any,
        at_once: int,
        question: Any = "",
    ) -> HttpResponse:
        """Show the progress of a job; each POST processes the next rows.

        Args:
            run: processes the rows with some keys, and returns how many are finished. After 0, the
                page waits until the person tries again.
            at_once: how many rows a request processes.
            question: asked before the first row; without one, the page starts by itself.
        """
        total, done, goes_on = len(job.keys), 0, not question
        if request.method == "POST":
            sent = request.POST.get("done", "")
            start = min(int(sent), total) if sent.isdecimal() and len(sent) < 10 else 0
            count = run(job.keys[start : start + at_once])
            done, goes_on = start + count, count > 0
        return self.page(
            request,
            "admin/quickscale/job.html",
            title=title,
            question="" if request.method == "POST" else question,
            done=done,
            total=total,
            goes_on=goes_on,
        )

    def without_job(self, request: HttpRequest) -> HttpResponse:
        """Return the response for when :meth:`Job.load` finds nothing."""
        messages.error(request, _("Please select the rows again."))
        return self.to_page("changelist")
