"""Work on many rows in the admin, a few with each request."""

from __future__ import annotations

import json
import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.cache import SessionStore

from quickscale.admin.jobs import Job, JobsMixin
from tests.owners import make_user


class GroupAdmin(JobsMixin, admin.ModelAdmin):
    pass


@pytest.fixture
def page_of(rf, db):
    """Return the page of a job over six rows, two at a time, and a list of what ran."""
    model_admin = GroupAdmin(Group, admin.site)
    user = make_user()
    job = Job("id", "greet", list("abcdef"), {})

    def page(*, done=None, question="", run=None):
        ran = []

        def work(keys):
            ran.extend(keys)
            return len(keys)

        request = rf.get("/") if done is None else rf.post("/", {"done": done})
        request.user = user
        response = model_admin.job_page(
            request, job, run or work, title="Greet", at_once=2, question=question
        )
        return response.render().content.decode(), "".join(ran)

    return page


def test_it_starts_by_itself_and_continues_until_all_are_done(page_of):
    html, ran = page_of()
    assert ran == ""
    assert 'max="6" value="0"' in html
    assert "continue.js" in html
    for done, keys in [("0", "ab"), ("2", "cd"), ("4", "ef")]:
        html, ran = page_of(done=done)
        assert ran == keys
    assert 'max="6" value="6"' in html
    assert "Done." in html
    assert '<form method="post" data-continue' not in html
    assert "continue.js" not in html


def test_it_waits_for_the_answer_to_a_question(page_of):
    html, ran = page_of(question="Are you sure?")
    assert ran == ""
    assert "Are you sure?" in html
    assert "6 rows are selected." in html
    assert re.search('type="submit"[^>]* value="Greet"', html)
    assert "continue.js" not in html
    html, ran = page_of(done="0", question="Are you sure?")
    assert ran == "ab"
    assert "Are you sure?" not in html
    assert "continue.js" in html


def test_it_waits_where_nothing_could_be_done(page_of):
    html, _ran = page_of(done="2", run=lambda keys: 0)
    assert 'value="2">2/6' in html
    assert 'value="Try again"' in html
    assert "continue.js" not in html
    html, _ran = page_of(done="2", run=lambda keys: 1)
    assert 'value="3">3/6' in html
    assert "continue.js" in html


@pytest.mark.parametrize(
    ("done", "keys"), [("", "ab"), ("-1", "ab"), ("x", "ab"), ("7", ""), ("9" * 5000, "ab")]
)
def test_an_invalid_number_does_no_harm(page_of, done, keys):
    assert page_of(done=done)[1] == keys


def test_a_job_belongs_to_its_session(rf):
    session = SessionStore()
    job = Job.begin(session, "greet", [1, 2])
    job.data = {"word": "Hello"}
    assert Job.load(session, "greet", job.id).data == {}
    job.save(session)
    json.dumps(dict(session))
    assert Job.load(session, "greet", job.id) == job
    assert Job.load(session, "forget", job.id) is None
    assert Job.load(session, "greet", "other") is None
    assert Job.load(SessionStore(), "greet", job.id) is None


def test_without_a_job_the_rows_are_selected_again(rf):
    request = rf.get("/")
    request.session = SessionStore()
    request._messages = FallbackStorage(request)
    model_admin = GroupAdmin(Group, admin.site)
    response = model_admin.without_job(request)
    assert response.url == model_admin.page_url("changelist")
    assert [str(message) for message in request._messages] == ["Please select the rows again."]
