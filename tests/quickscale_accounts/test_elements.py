"""allauth's elements are drawn by ours, so that the look of the site reaches the account pages."""

from __future__ import annotations

import re
from pathlib import Path

import allauth
import pytest
from allauth.account.forms import AddEmailForm
from django.http import HttpResponse
from django.template import Context, Origin, Template
from django.template.loader import render_to_string
from django.utils import timezone

import quickscale_dashboard
from quickscale_accounts.testing import UserFactory
from tests.markup import flat, problems_of_fragment
from tests.quickscale_accounts.html import Page, assert_sound

SHEETS = {
    "bulma": Path(quickscale_dashboard.__file__).parent
    / "static/quickscale_dashboard/vendor/bulma.min.css",
    "bootstrap5": Path(__file__).parents[1] / "assets/bootstrap5.min.css",
    "plain": None,
}
TEMPLATES = Path(allauth.__file__).parent / "templates"
PAGES = [
    file.relative_to(TEMPLATES).as_posix()
    for app in ("account", "mfa", "socialaccount", "usersessions")
    for file in sorted(TEMPLATES.glob(f"{app}/**/*.html"))
    if not re.search("/base|/email/|/snippets/|_form", file.as_posix().removeprefix(f"{TEMPLATES}"))
]
# Their URLs exist with settings that QuickScale does not ask for, or they do not use the layout.
OTHERS = {
    "account/confirm_password_reset_code.html",
    "account/confirm_phone_verification_code.html",
    "account/phone_change.html",
    "socialaccount/login_redirect.html",
}


@pytest.fixture(params=SHEETS)
def look(request, settings):
    settings.QUICKSCALE_ELEMENTS = request.param
    return request.param


@pytest.fixture
def own_base(settings, tmp_path):
    """A site whose base.html has no class at all."""
    [engine] = settings.TEMPLATES
    humanize = {"humanize": "django.contrib.humanize.templatetags.humanize"}
    options = engine["OPTIONS"] | {"libraries": humanize}
    settings.TEMPLATES = [engine | {"DIRS": [tmp_path], "OPTIONS": options}]
    (tmp_path / "base.html").write_text(
        "<title>{% block title %}{% endblock %}</title>{% block content %}{% endblock %}"
    )


def render(source, **context):
    template = Template("{% load allauth %}" + source, Origin("page.html", "page.html"))
    return flat(template.render(Context(context)))


@pytest.mark.django_db
@pytest.mark.parametrize("template", sorted(set(PAGES) - OTHERS))
def test_every_page_of_allauth_has_classes_of_its_look_only(template, look, own_base, rf):
    request = rf.get("/")
    request.session = {}
    request.user = UserFactory()
    session = {"ip": "192.0.2.1", "created_at": timezone.now(), "is_current": True}
    context = {"sessions": [session], "trust_from": timezone.now()}
    page = assert_sound(HttpResponse(render_to_string(template, context, request=request)))
    sheet = SHEETS[look]
    known = set(re.findall(r"\.([a-z][\w-]*)", sheet.read_text() if sheet else ""))
    classes = {name for _, attrs in page.elements for name in (attrs.get("class") or "").split()}
    assert {name for name in classes - known if not name.startswith("qs-")} == set()


@pytest.mark.parametrize(
    ("element", "text"),
    [
        ("{% element alert %}{% slot message %}Words{% endslot %}{% endelement %}", "Words"),
        ('{% element badge title="Why" tags="warning" %}Words{% endelement %}', "Words"),
        ("{% element button_group vertical=True %}Words{% endelement %}", "Words"),
        (
            "{% element details open=True %}{% slot summary %}More{% endslot %}"
            "{% slot body %}Words{% endslot %}{% endelement %}",
            "Words",
        ),
        ("{% element p %}Words <b>x</b>{% endelement %}", "Words <b>x</b>"),
        ("{% element h1 %}Words{% endelement %}", "Words</h1>"),
        ("{% element h2 %}Words{% endelement %}", "Words</h2>"),
        (
            "{% element panel %}{% slot title %}T{% endslot %}{% slot body %}Words{% endslot %}"
            "{% slot actions %}one{% endslot %}{% slot actions %}two{% endslot %}{% endelement %}",
            "onetwo",
        ),
        (
            '{% element form method="post" %}{% slot body %}Words{% endslot %}'
            "{% slot actions %}one{% endslot %}{% slot actions %}two{% endslot %}{% endelement %}",
            "onetwo",
        ),
        (
            '{% element provider_list %}{% element provider href="/x/" name="Words" %}'
            "{% endelement %}{% endelement %}",
            "Words",
        ),
        (
            "{% element table %}{% element thead %}{% element tr %}"
            "{% element th %}H{% endelement %}{% endelement %}{% endelement %}"
            "{% element tbody %}{% element tr %}"
            '{% element td align="right" %}Words{% endelement %}{% endelement %}{% endelement %}'
            "{% endelement %}",
            '<td class="qs-end">Words</td>',
        ),
        ('{% element img src="data:," alt="Words" tags="qr" %}{% endelement %}', "Words"),
    ],
)
def test_arguments_and_slots_of_allauth_are_understood(look, element, text):
    html = render(element)
    assert text in html
    assert problems_of_fragment(html) == []


@pytest.mark.parametrize(
    ("tags", "classes"),
    [
        ("", "button is-primary"),
        ("prominent,login", "button is-primary is-fullwidth"),
        ("prominent,login,outline,primary", "button is-fullwidth"),
        ("secondary", "button"),
        ("danger,delete", "button is-danger is-outlined"),
        ("outline,cancel", "button is-text"),
        ("link,cancel", "button is-text"),
        ("minor,secondary", "button is-small"),
    ],
)
def test_a_button_looks_as_its_tags_say(settings, tags, classes):
    settings.QUICKSCALE_ELEMENTS = "bulma"
    html = render("{% element button tags=tags %}Go{% endelement %}", tags=tags)
    assert f'class="{classes}" type="submit"' in html


def test_a_button_keeps_its_attributes(look):
    source = (
        '{% element button type="button" form="f" id="i" name="n" value="v" %}Go{% endelement %}'
    )
    [button] = Page(HttpResponse(render(source))).find("button")
    del button["class"]
    assert button == {"type": "button", "form": "f", "id": "i", "name": "n", "value": "v"}
    [link] = Page(HttpResponse(render('{% element button href="/x/" %}Go{% endelement %}'))).find(
        "a"
    )
    assert link["href"] == "/x/"


@pytest.mark.parametrize(
    ("tags", "tone"),
    [
        ("success,email,verified", "success"),
        ("warning,email", "warning"),
        ("email,primary", "primary"),
        ("session,current", None),
    ],
)
def test_a_badge_is_a_pill_with_the_tone_of_its_tags(settings, tags, tone):
    settings.QUICKSCALE_ELEMENTS = "plain"
    html = render("{% element badge tags=tags %}Words{% endelement %}", tags=tags)
    assert f'<span class="qs-pill qs-tint{f" qs-{tone}" if tone else ""}">' in html
    assert "<span>Words</span>" in html


class TestFields:
    def test_a_wrong_one(self, look):
        form = AddEmailForm(data={"email": "nonsense"})
        html = render(
            '{% element field id=form.email.auto_id name="email" value=form.email.value '
            'errors=form.email.errors type="email" autocomplete="email" required=True %}'
            "{% slot label %}New <b>one</b>{% endslot %}"
            "{% slot help_text %}We <i>write</i> to it.{% endslot %}{% endelement %}",
            form=form,
        )
        [email] = Page(HttpResponse(html)).find("input")
        email.pop("class")
        assert email == {
            "type": "email",
            "name": "email",
            "value": "nonsense",
            "id": "id_email",
            "autocomplete": "email",
            "required": None,
            "autofocus": None,
            "aria-invalid": "true",
            "aria-describedby": "id_email_helptext id_email_error",
        }
        assert "New <b>one</b></label>" in html
        assert "We <i>write</i> to it." in html
        assert "Enter a valid email address." in html
        assert problems_of_fragment(html) == []

    @pytest.mark.parametrize("checked", [True, False])
    def test_a_choice_of_one(self, look, checked):
        html = render(
            '{% element field id="r" type="radio" name="email" value="a@b.c" checked=checked %}'
            "{% slot label %}A{% endslot %}{% endelement %}",
            checked=checked,
        )
        [radio] = Page(HttpResponse(html)).find("input")
        assert radio["type"] == "radio"
        assert radio["value"] == "a@b.c"
        assert ("checked" in radio) == checked
        assert html.index("<input") < html.index('for="r"') or 'for="r"><input' in html
        assert problems_of_fragment(html) == []

    def test_a_text_to_copy(self, look):
        html = render(
            '{% element field id="codes" type="textarea" rows=2 readonly=True %}'
            "{% slot label %}Codes{% endslot %}{% slot value %}a&amp;b{% endslot %}{% endelement %}"
        )
        assert "a&amp;b</textarea>" in html
        [area] = Page(HttpResponse(html)).find("textarea")
        assert area["rows"] == "2"
        assert "readonly" in area

    def test_one_that_cannot_be_changed(self, look):
        html = render(
            '{% element field id="old" type="email" value="a@b.c" disabled=True %}'
            "{% slot label %}Now{% endslot %}{% endelement %}"
        )
        [old] = Page(HttpResponse(html)).find("input")
        assert "disabled" in old
        assert old["value"] == "a@b.c"


def test_a_form_of_the_own_account_stands_in_a_card_unless_it_is_minor(settings):
    settings.QUICKSCALE_ELEMENTS = "plain"
    source = (
        '{% element form method="post" tags=tags %}{% slot body %}{% endslot %}{% endelement %}'
    )
    manage = {"page_layout": "manage"}
    assert "qs-card" in render(source, tags="email,list", **manage)
    assert "qs-card" not in render(source, tags="minor", **manage)
    assert "qs-card" not in render(source, tags="email,list")
