"""Elements: small templates, the only ones that know the classes of a CSS framework."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django import forms
from django.apps import apps
from django.core.paginator import Paginator
from django.template import (
    Context,
    Template,
    TemplateDoesNotExist,
    TemplateSyntaxError,
    autoreload,
)
from django.test import override_settings
from django.utils.safestring import mark_safe

import quickscale
from quickscale.templatetags.quickscale_elements import page_links
from tests.browser import assert_accessible, assert_fits
from tests.looks import OURS, SHEETS
from tests.markup import flat, problems_of_fragment, problems_of_page

ROOT = Path(__file__).parents[2]
SRC = Path(quickscale.__file__).parents[1]
ELEMENTS = Path(quickscale.__file__).parent / "templates" / "quickscale" / "elements"
NAMES = sorted(file.stem for file in (ELEMENTS / "plain").iterdir())
# Mails have styles of their own, as have the admin, the stand-in for Stripe, and the dashboard's
# shell and first page, which come with Bulma.
OTHER_LOOKS = ("/admin/", "/email/", "/quickscale/elements/", "/quickscale_stripe_sandbox/")
SHELL = {
    *("_footer", "shell"),
    *("home", "errors/_error_alone", "errors/base"),
}
PAGES = [
    file
    for file in sorted(SRC.glob("quickscale*/templates/**/*.html"))
    if not any(folder in file.as_posix() for folder in OTHER_LOOKS)
    and file.as_posix().rpartition("/quickscale_dashboard/")[2].removesuffix(".html") not in SHELL
]


def render(source, **context):
    return Template("{% load quickscale_elements %}" + source).render(Context(context))


@pytest.fixture
def templates(settings, tmp_path):
    """A folder of the site's own templates."""
    settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
    folder = tmp_path / "quickscale" / "elements"
    folder.mkdir(parents=True)
    return folder


class EveryControl(forms.Form):
    text = forms.CharField(help_text="Any text.", widget=forms.TextInput({"class": "own"}))
    long = forms.CharField(widget=forms.Textarea)
    choice = forms.ChoiceField(choices=[("a", "A")])
    flag = forms.BooleanField()
    several = forms.MultipleChoiceField(
        choices=[("a", "A")], widget=forms.CheckboxSelectMultiple, label="Several"
    )


class AFilter(forms.Form):
    view = forms.IntegerField(widget=forms.HiddenInput)
    since = forms.DateField(required=False, initial="2026-01-01", show_hidden_initial=True)

    def clean(self):
        raise forms.ValidationError("The dates are the wrong way round.")


def field(name, *, bound=False):
    form = EveryControl({}) if bound else EveryControl()
    return render('{% element "field" field=field %}{% endelement %}', field=form[name])


class TestTheTag:
    def test_arguments_and_slots_reach_the_template(self, templates):
        (templates / "frame.html").write_text(
            "{% load quickscale_elements %}"
            "<p{{ html }}>{{ attrs.tone }}/{% slot %}{% endslot %}/"
            "{% slot more %}nothing{% endslot %}</p>"
        )
        html = render(
            '{% element "frame" tone=tone id="x" %}<b>{{ word }}</b>'
            "{% slot more %} {{ word }} {% endslot %}{% endelement %}"
            '{% element "frame" %}{% endelement %}',
            tone="warning",
            word="<hi>",
        )
        assert html == ('<p id="x">warning/<b>&lt;hi&gt;</b>/&lt;hi&gt;</p><p>//nothing</p>')

    def test_arguments_that_are_html_attributes_are_written_as_such(self, templates):
        (templates / "frame.html").write_text("<p{{ html }}>")
        html = render(
            '{% element "frame" hx_get=url aria_label="a &quot;b" data_announce=True autofocus=no '
            'id=missing tone="danger" %}{% endelement %}',
            url="/?a=1&b=2",
            no=False,
        )
        assert 'hx-get="/?a=1&amp;b=2"' in html
        assert " data-announce" in html
        for absent in ("autofocus", " id", "tone"):
            assert absent not in html

    def test_text_that_is_safe_in_a_page_cannot_end_an_attribute(self, look):
        html = render(
            '{% element "alert" aria_label=label %}{% endelement %}',
            label=mark_safe('5&quot; "wide" <b>'),
        )
        assert 'aria-label="5&quot; &quot;wide&quot; <b>"' in html

    def test_what_is_true_or_false_is_written_in_full_for_aria(self, look):
        html = render(
            '{% element "button" aria_pressed=yes aria_busy=no autofocus=yes %}{% endelement %}',
            yes=True,
            no=False,
        )
        assert 'aria-pressed="true"' in html
        assert 'aria-busy="false"' in html
        assert " autofocus " in html.replace(">", " ")

    def test_a_button_may_stand_outside_its_form(self, look):
        html = render('{% element "button" form="search" %}Go{% endelement %}')
        assert 'form="search"' in html
        assert "form=" not in render(
            '{% element "filters" form=form %}{% endelement %}', form=AFilter()
        )

    @pytest.mark.parametrize("href", ["", None])
    def test_a_link_to_nowhere_sends_no_form(self, look, href):
        source = '{% element "button" href=href %}Pay{% endelement %}'
        assert render(source, href=href).strip() == ""
        assert "href" in render(source, href="/pay/")

    @pytest.mark.parametrize(
        "source",
        [
            'element "filters" form=form method="post" role="form" id="x"',
            'element "table" role="group" tabindex=-1 id="x"',
            'element "card" title="T" title_id="t" aria_labelledby="t" id="x"',
            'element "field" field=form.since id="x"',
        ],
    )
    def test_an_argument_replaces_the_attribute_of_the_template(self, look, source):
        html = render("{% " + source + " %}{% endelement %}", form=AFilter())
        assert problems_of_fragment(html) == []
        assert 'id="x"' in html

    @pytest.mark.parametrize("level", [1, 2, 3])
    def test_a_heading_has_its_level(self, look, level):
        html = render(
            '{% element "heading" level=level id="x" %}Words{% endelement %}', level=level
        ).strip()
        assert html.startswith(f"<h{level} ")
        assert html.endswith(f' id="x">Words</h{level}>')

    def test_the_current_tab_says_what_it_is(self, look):
        html = render(
            '{% element "tabs" aria_label="Pages" %}'
            '{% element "tab" tab="a" selected="a" href="/a/" %}A{% endelement %}'
            '{% element "tab" tab="b" selected="b" href="/b/" current="page" %}B{% endelement %}'
            '{% element "tab" tab="c" selected="b" href="/c/" %}C{% endelement %}{% endelement %}'
        )
        assert re.findall(r'href="(.*?)" aria-current="(.*?)"', html) == [
            ("/a/", "true"),
            ("/b/", "page"),
        ]

    def test_elements_can_be_nested(self, look):
        html = render(
            '{% element "card" title="Outer" title_id="t" %}'
            '{% element "alert" tone="info" %}inner{% endelement %}'
            '{% slot aside %}{% element "pill" tone="success" %}new{% endelement %}{% endslot %}'
            "{% endelement %}"
        )
        assert 'aria-labelledby="t"' in html
        assert html.index("Outer") < html.index("new") < html.index("inner")
        assert html.count("Outer") == 1
        assert problems_of_fragment(html) == []

    @pytest.mark.parametrize("wrong", ["element", 'element "card" wrong', "element title=1"])
    def test_a_syntax_error_is_reported(self, wrong):
        with pytest.raises(TemplateSyntaxError):
            render("{% " + wrong + " %}{% endelement %}")

    def test_a_missing_element_is_reported(self):
        with pytest.raises(Exception, match=r"plain/nothing\.html"):
            render('{% element "nothing" %}{% endelement %}')

    def test_a_block_of_a_page_may_be_in_an_element(self, templates):
        (templates / "page.html").write_text(
            '{% load quickscale_elements %}{% element "card" %}'
            "{% block facts %}one{% endblock %}{% endelement %}"
        )
        source = '{% extends "quickscale/elements/page.html" %}{% block facts %}two{% endblock %}'
        html = Template(source).render(Context())
        assert "two" in html
        assert "one" not in html


class TestIcons:
    def test_an_icon_is_part_of_the_page_and_says_nothing(self):
        html = render('{% icon "house" %}')
        assert html.startswith('<svg class="qs-icon qs-icon-house"')
        assert 'aria-hidden="true"' in html

    def test_a_site_has_icons_of_its_own(self, settings, tmp_path):
        settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [tmp_path]}]
        folder = tmp_path / "quickscale" / "icons"
        folder.mkdir(parents=True)
        (folder / "rocket.svg").write_text("<svg>rocket</svg>")
        assert render("{% icon name %}", name="rocket") == "<svg>rocket</svg>"

    def test_an_unknown_icon_is_reported(self):
        with pytest.raises(TemplateDoesNotExist, match="nothing"):
            render('{% icon "nothing" %}')

    @pytest.mark.parametrize("tone", ["info", "success", "warning", "danger"])
    def test_a_tone_is_not_told_by_colour_alone(self, look, tone):
        for name in ("alert", "pill"):
            assert 'class="qs-icon' in render(
                '{% element "NAME" tone=tone %}x{% endelement %}'.replace("NAME", name), tone=tone
            )
        assert "qs-icon" not in render('{% element "pill" tone="primary" %}x{% endelement %}')


class TestGallery:
    @pytest.fixture(autouse=True)
    def mounted(self, settings):
        settings.ROOT_URLCONF = "tests.quickscale.gallery_urls"

    @pytest.mark.parametrize("query", ["", "?theme=dark", "?dir=rtl", "?theme=nonsense&dir=x"])
    def test_it_shows_every_element(self, client, look, query):
        html = client.get(f"/elements/{query}").content.decode()
        assert problems_of_page(html) == ["3 times <h1>"]  # a result and a question have their own
        assert ('data-theme="dark"' in html) == (query == "?theme=dark")
        assert ('dir="rtl"' in html) == (query == "?dir=rtl")
        source = (ELEMENTS.parent / "gallery.html").read_text()
        shown = set(re.findall(r'element "(\w+)"', source))
        inner = {"chart_patterns", "chart_table", "copy", "field", "indicator", "pager", "styles"}
        assert shown == set(NAMES) - inner

    @pytest.mark.browser
    @pytest.mark.django_db(transaction=True)
    @pytest.mark.xdist_group("browser")
    @pytest.mark.parametrize(
        ("width", "dark", "forced_colors", "query"),
        [
            (320, False, "none", "?dir=rtl"),
            (1280, True, "none", ""),
            (1280, False, "active", ""),
            (1280, True, "active", ""),
        ],
    )
    def test_it_is_accessible(
        self, live_server, browser_page, look, width, dark, forced_colors, query
    ):
        page = browser_page(width=width, dark=dark)
        page.emulate_media(forced_colors=forced_colors)
        page.goto(f"{live_server.url}/elements/{query}")
        assert_accessible(page)
        assert_fits(page)


class TestWhichTemplate:
    def test_bulma_comes_with_the_dashboard(self, monkeypatch):
        button = '{% element "button" %}Go{% endelement %}'
        assert 'class="button"' in render(button)
        monkeypatch.setattr(apps, "is_installed", lambda app: False)
        assert 'class="qs-button"' in render(button)

    def test_a_site_replaces_one_element(self, look, templates):
        (templates / "pill.html").write_text("<mark>{{ slots.default }}</mark>")
        html = render(
            '{% element "pill" %}New{% endelement %}{% element "button" %}Go{% endelement %}'
        )
        assert "<mark>New</mark>" in html
        assert 'type="submit"' in html

    def test_a_look_of_the_site_is_a_folder_and_the_rest_is_plain(self, settings, templates):
        settings.QUICKSCALE_ELEMENTS = "wood"
        (templates / "wood").mkdir()
        (templates / "wood" / "button.html").write_text('<button class="oak">')
        html = render('{% element "button" %}{% endelement %}{% element "pill" %}{% endelement %}')
        assert html.startswith('<button class="oak"><span class="qs-pill qs-tint">')

    def test_the_setting_is_read_at_use(self):
        source = Template('{% load quickscale_elements %}{% element "button" %}{% endelement %}')
        with override_settings(QUICKSCALE_ELEMENTS="bootstrap5"):
            assert "btn" in source.render(Context())
        with override_settings(QUICKSCALE_ELEMENTS="plain"):
            assert "btn" not in source.render(Context())

    def test_a_look_has_no_element_that_the_plain_one_lacks(self):
        autoreload.reset_loaders()
        assert {folder.name for folder in ELEMENTS.iterdir()} == SHEETS.keys()
        for name in SHEETS:
            assert {file.stem for file in (ELEMENTS / name).iterdir()} <= set(NAMES)

    def test_styles_are_linked_once(self, look):
        html = render("{% quickscale_styles %}-{% quickscale_styles %}")
        assert html.endswith("-")
        assert html.count("elements.css") == 1
        assert ("plain.css" in html) == (look == "plain")


class TestFields:
    def test_every_control_has_its_label_help_and_errors(self, look):
        for name in EveryControl.base_fields:
            html = field(name, bound=True)
            assert problems_of_fragment(html) == []
            assert "This field is required." in html
            if name == "several":
                assert '<fieldset aria-describedby="id_several_error">' in html
            else:
                assert f'for="id_{name}"' in html
        assert 'id="id_text_helptext"' in field("text")
        assert 'aria-describedby="id_text_helptext"' in field("text")
        assert "<legend>Several:</legend>" in field("several")

    @pytest.mark.parametrize(
        ("look", "classes"),
        [
            ("bulma", ["own input", "textarea", None, None]),
            ("bootstrap5", ["own form-control", "form-control", "form-select", "form-check-input"]),
            ("plain", ["own qs-control", "qs-control", "qs-control", None]),
        ],
    )
    def test_controls_have_the_classes_of_their_look(self, settings, look, classes):
        settings.QUICKSCALE_ELEMENTS = look
        for name, expected in zip(["text", "long", "choice", "flag"], classes, strict=True):
            [control] = re.findall(r"<(?:input|textarea|select)\b[^>]*>", field(name))
            found = re.search('class="([^"]*)"', control)
            assert (found and found[1]) == expected

    def test_bulma_marks_what_is_wrong(self, settings):
        settings.QUICKSCALE_ELEMENTS = "bulma"
        assert 'class="own input is-danger"' in field("text", bound=True)
        assert '<div class="select is-fullwidth is-danger"><select' in flat(
            field("choice", bound=True)
        )

    def test_bulma_shows_a_multiple_select(self, settings):
        settings.QUICKSCALE_ELEMENTS = "bulma"
        form = EveryControl()
        form.fields["several"].widget = forms.SelectMultiple()
        html = render('{% element "field" field=field %}{% endelement %}', field=form["several"])
        assert 'class="select is-fullwidth is-multiple"' in html

    def test_the_label_of_a_checkbox_follows_it(self, look):
        html = field("flag")
        assert html.index('type="checkbox"') < html.index("Flag")
        assert html.count("Flag") == 1

    def test_the_first_wrong_field_takes_the_focus(self, look):
        form = EveryControl({"text": "given"})
        html = render('{% element "fields" form=form %}{% endelement %}', form=form)
        assert re.findall(r"<\w+ name=\"?(\w+)[^>]* autofocus", html) == ["long"]
        assert "autofocus" not in render(
            '{% element "fields" form=form %}{% endelement %}', form=EveryControl()
        )

    def test_help_may_have_markup_and_something_may_follow_the_control(self, look):
        form = EveryControl()
        form.fields["text"].help_text = "<ul><li>8 characters</li></ul>"
        html = flat(
            render(
                '{% element "field" field=field x_data="meter" %}<b>Good</b>{% endelement %}',
                field=form["text"],
            )
        )
        assert html.index("<input") < html.index("<b>Good</b>") < html.index("<ul><li>8")
        assert ' x-data="meter"' in html
        assert problems_of_fragment(html) == []

    def test_filters_show_what_is_wrong_and_hide_what_is_hidden(self, look):
        html = render(
            '{% element "filters" form=form %}{% endelement %}', form=AFilter({"view": "many"})
        )
        assert "The dates are the wrong way round." in html
        assert "Enter a whole number." in html
        assert 'for="id_view"' not in html
        assert html.count('name="view"') == 1
        assert 'name="initial-since"' in html
        assert problems_of_fragment(html) == []


class TestPages:
    def test_djangos_pages_have_links(self):
        paginator = Paginator(range(25), 10)
        assert page_links(paginator.page(2), query="a=b") == {
            "previous": "?a=b&page=1",
            "next": "?a=b&page=3",
        }
        assert page_links(paginator.page(1), "/x/")["previous"] == ""
        assert page_links(paginator.page(3), "/x/")["next"] == ""

    def test_the_links_between_the_pages_of_a_list(self, look):
        source = Template('{% include "quickscale/_pager.html" with prefix="rows" target=target %}')
        page = Paginator(range(25), 10).page(2)
        html = source.render(Context({"page": page, "query": "a=b", "target": "#rows"}))
        assert 'href="?a=b&amp;page=1" hx-get' in html
        assert 'href="?a=b&amp;page=3" hx-get' in html
        assert "Page 2 of 3" in html
        assert 'hx-push-url="true"' in html
        assert problems_of_fragment(html) == []
        assert "hx-" not in source.render(Context({"page": page}))
        assert source.render(Context({"page": Paginator(range(5), 10).page(1)})).strip() == ""

    def test_links_of_a_list_work_without_and_with_htmx(self, look):
        links = {"previous": "", "next": "?page=2&a=b"}
        source = '{% element "pager" next=links.next next_label="Older" prefix="rows" '
        html = render(source + 'hx_target="#rows" %}{% endelement %}', links=links)
        assert 'id="rows-next"' in html
        assert 'href="?page=2&amp;a=b" hx-get="?page=2&amp;a=b"' in html
        assert 'hx-target="#rows"' in html
        assert "rows-previous" not in html
        assert "hx-get" not in render(source + "%}{% endelement %}", links=links)


@pytest.mark.browser
class TestInTheBrowser:
    @pytest.fixture
    def show(self, browser_page, look):
        """A function that shows elements with our style sheets and those of the framework."""
        page = browser_page(width=400)

        def show(source):
            page.set_content(f"<main>{render(source, word='long' * 100)}</main>")
            for sheet in [OURS / "elements.css", *SHEETS[look]]:
                page.add_style_tag(path=sheet)
            return page

        return show

    def test_what_can_only_be_pressed_is_not_printed(self, show):
        page = show(
            '{% element "buttons" %}{% element "button" %}Go{% endelement %}{% endelement %}'
            '{% element "filters" %}Filter{% endelement %}'
            '{% element "pager" next="?page=2" next_label="Older" %}1 of 2{% endelement %}'
            '{% element "table" plain=True %}<tbody><tr><td>{{ word }}</td></tr></tbody>'
            "{% endelement %}"
        )
        assert "Filter" in page.inner_text("main")
        page.emulate_media(media="print")
        for text in ("Go", "Filter", "Older"):
            assert text not in page.inner_text("main")
        overflow = "element => getComputedStyle(element).overflowX"
        assert page.eval_on_selector(".qs-scroll", overflow) == "visible"

    def test_a_long_word_breaks(self, show):
        page = show(
            '{% element "page_head" title=word %}{% endelement %}'
            '{% element "card" title=word %}<p>{{ word }}</p>{% endelement %}'
            '{% element "alert" %}{{ word }}{% endelement %}'
            '{% element "empty" title=word %}{{ word }}{% endelement %}'
        )
        assert_fits(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(SRC).as_posix())
def test_only_elements_know_a_framework(page):
    """A page has only classes of ours, which are prefixed."""
    text = re.sub(r"{{.*?}}|{%.*?%}", "", page.read_text())
    classes = " ".join(re.findall(r'(?<!:)class="([^"]*)"', text)).split()
    assert [name for name in classes if not name.startswith("qs-")] == []
    assert "style=" not in text


@pytest.mark.parametrize("look", ["plain"])
def test_the_plain_look_has_no_class_of_a_framework(look):
    for template in (ELEMENTS / look).iterdir():
        text = re.sub(r"{%.*?%}|{{.*?}}", "", template.read_text())
        classes = set(" ".join(re.findall(r'class="([^"]*)"', text)).split())
        assert [name for name in classes - {"htmx-indicator"} if not name.startswith("qs-")] == []


def test_our_style_sheets_name_only_classes_of_ours():
    for sheet in (OURS / "elements.css", OURS / "plain.css"):
        css = re.sub(r"/\*.*?\*/|\d*\.\d+", "", sheet.read_text(), flags=re.DOTALL)
        classes = set(re.findall(r"\.([a-z][\w-]*)", css))
        assert {name for name in classes if not name.startswith("qs-")} <= {"htmx-request"}


def test_every_element_is_documented():
    page = (ROOT / "docs" / "reference" / "elements.md").read_text()
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []
