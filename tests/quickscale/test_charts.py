"""Charts as SVG: what is drawn agrees with the table, in every look and language."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from django.template import Context, Template
from django.utils import translation

from quickscale.charts import Part, Series, bars, spark, stack
from quickscale.formats import in_credits
from tests.browser import assert_accessible, assert_fits
from tests.looks import OURS, SHEETS
from tests.markup import problems_of_fragment

DAYS = [f"{date(2026, 10, 30) + timedelta(days=n):%b %d}" for n in range(30)]
USED = [4, 8, 0, 12, 14, 2, 0, 0, 0, 12, 16, 8, 0, 4, 16, 16, 10, 8, 2, 0, 8, 4, 0, 8, 8, 4, 2, 8]
USED += [8, 10]


def render(*charts):
    source = "{% load quickscale_elements %}" + "".join(
        f'{{% element "card" %}}{{% element "{type(chart).__name__.lower()}" chart=chart{n} %}}'
        "{% endelement %}{% endelement %}"
        for n, chart in enumerate(charts)
    )
    return Template(source).render(Context({f"chart{n}": each for n, each in enumerate(charts)}))


def parsed(html):
    return ElementTree.fromstring(f"<main>{html}</main>")


def percent(value):
    return float(value.removesuffix("%"))


def drawn(root):
    """The boxes of each column of a bar chart, as (start, width, height)."""
    return [
        [
            tuple(percent(box.get(name)) for name in ("x", "width", "height"))
            for box in column.findall("rect")
            if box.get("class") != "qs-space"
        ]
        for column in root.findall(".//svg[@class='qs-plot']/g")
    ]


def table(root, path=".//details//tr"):
    rows = root.findall(path)
    return [["".join(cell.itertext()).strip() for cell in row] for row in rows]


class TestBars:
    def test_bars_and_table_agree(self):
        root = parsed(render(bars("use", "Used", DAYS, [Series("Credits", USED)], label="Day")))
        assert table(root) == [
            ["Day", "Credits"],
            *([day, f"{value}"] for day, value in zip(DAYS, USED, strict=True)),
        ]
        heights = [boxes[0][2] if boxes else 0 for boxes in drawn(root)]
        assert heights == [pytest.approx(value * 100 / 20) for value in USED]
        titles = [title.text for title in root.findall(".//g/title")]
        assert titles[:2] == ["Oct 30: 4", "Oct 31: 8"]
        assert [number.text for number in root.findall(".//ol/li/bdi")] == [
            "20",
            "15",
            "10",
            "5",
            "0",
        ]

    def test_series_stand_on_one_another_and_are_named(self):
        chart = bars("use", "Used", ["a", "b"], [Series("One", [1, 0]), Series("Two", [3, 2])])
        root = parsed(render(chart))
        (first, second), (only,) = drawn(root)
        assert (first[2], second[2], only[2]) == (25, 75, 50)
        assert ["".join(key.itertext()).strip() for key in root.findall(".//ul/li")] == [
            "One",
            "Two",
        ]
        assert [title.text for title in root.findall(".//g/title")] == [
            "a: 4\nOne: 1\nTwo: 3",
            "b: 2\nOne: 0\nTwo: 2",
        ]
        painted = {box.get("fill") for box in root.findall(".//g/rect")} - {None}
        assert painted == {"url(#use-series-2)"}
        assert root.find(".//pattern[@id='use-series-2']") is not None

    def test_nothing_overlaps_or_leaves_the_chart(self):
        for count in (1, 2, 7, 30, 90, 366):
            chart = bars("use", "Used", [f"{n}" for n in range(count)], [Series("A", [1] * count)])
            ends = 0
            for [(x, width, _height)] in drawn(parsed(render(chart))):
                assert x >= ends
                ends = x + width
            assert ends <= 100
            assert 1 <= len(chart.labels) <= 4

    def test_right_to_left_the_first_day_is_on_the_right(self):
        with translation.override("ar"):
            root = parsed(render(bars("use", "Used", ["a", "b"], [Series("A", [1, 1])])))
        [(first, *_)], [(second, *_)] = drawn(root)
        assert first > 50 > second
        assert [text.get("x") for text in root.findall(".//text")] == ["75%", "0%"]

    @pytest.mark.parametrize("values", [[], [0], [0, 0, 0], [5]])
    def test_few_or_no_numbers(self, look, values):
        labels = [f"Day {n}" for n in range(len(values))]
        html = render(
            bars("use", "Used", labels, [Series("Credits", values)]),
            spark("line", "Used", labels, values),
            stack("parts", "Parts", [Part(*each) for each in zip(labels, values, strict=True)]),
        )
        assert problems_of_fragment(html) == []
        assert ("There is nothing to show yet." in html) == (not values)
        boxes = [box for column in drawn(parsed(html)) for box in column]
        assert len(boxes) == len([value for value in values if value])

    @pytest.mark.parametrize(
        ("most", "scale"),
        [
            (Decimal("0.0003"), ["0.0003", "0.0002", "0.0001", "0"]),
            (Decimal("1.5"), ["1.5", "1", "0.5", "0"]),
            (10, ["10", "5", "0"]),
            (16, ["20", "15", "10", "5", "0"]),
            (999_999_999_999_999, ["1,000,000,000,000,000", "500,000,000,000,000", "0"]),
        ],
    )
    def test_the_scale_is_round(self, most, scale):
        chart = bars("use", "Used", ["a"], [Series("Credits", [most])])
        assert chart.scale == scale
        assert float(chart.columns[0].boxes[0].height[:-1]) <= 100

    def test_numbers_are_those_of_the_language(self):
        with translation.override("de"):
            chart = bars("use", "Used", ["a"], [Series("A", [Decimal("1234.5")])], text=in_credits)
        assert chart.rows == [["a", "1.234,5 Credits"]]
        assert chart.scale[0] == "1.500"
        assert "%," not in render(chart)

    def test_texts_are_escaped(self):
        evil = '<script>alert("1")</script>'
        html = render(
            bars("use", evil, [evil], [Series(evil, [1]), Series("b", [2])], label=evil),
            stack("parts", evil, [Part(evil, 1, evil)]),
            spark("line", evil, [evil], [1]),
        )
        assert "<script" not in html
        assert problems_of_fragment(html) == []

    def test_what_cannot_be_drawn_is_refused(self):
        with pytest.raises(ValueError, match="below zero"):
            bars("use", "Used", ["a"], [Series("A", [-1])])
        with pytest.raises(ValueError, match="1 numbers for 2 labels"):
            bars("use", "Used", ["a", "b"], [Series("A", [1])])
        with pytest.raises(ValueError, match="at most 5 series"):
            stack("use", "Used", [Part("a", 1)] * 6)

    def test_the_summary_names_the_range_and_the_highest_bar(self):
        chart = bars("use", "Used", DAYS, [Series("Credits", USED)], text=in_credits)
        assert chart.description == (
            "Oct 30 to Nov 28. Total: 192 credits. Most: 16 credits (Nov 09)."
        )


class TestStack:
    def test_parts_and_names_agree(self):
        parts = [("Subscription", 1142), ("Pay as you go", 200), ("Bonus", 25), ("Trial", 0)]
        chart = stack("parts", "Available", [Part(*each) for each in parts], text=in_credits)
        shown = table(parsed(render(chart)), ".//tr")
        assert shown == [[name, in_credits(value)] for name, value in parts]
        widths = [percent(box.width) for box in chart.boxes]
        assert widths == [pytest.approx(value * 100 / 1367, abs=0.5) for value in (1142, 200, 25)]
        assert percent(chart.boxes[-1].x) + widths[-1] == pytest.approx(100)

    def test_a_tiny_part_is_seen(self):
        chart = stack("parts", "Available", [Part("a", 1_000_000_000), Part("b", 1)])
        assert percent(chart.boxes[1].width) > 0.9

    def test_each_part_has_a_pattern_of_its_own(self):
        root = parsed(render(stack("parts", "Parts", [Part(f"{n}", 1) for n in range(5)])))
        angles = [each.get("patternTransform") for each in root.findall(".//pattern")]
        assert len(set(angles)) == 4

    def test_a_part_below_zero_is_listed_and_not_drawn(self):
        chart = stack("parts", "Available", [Part("Debt", -5, "Taken first"), Part("Bonus", 20)])
        assert [(box.x, box.width) for box in chart.boxes] == [("0%", "100%")]
        shown = table(parsed(render(chart)), ".//tr")
        assert shown == [["Bonus", "20"], ["DebtTaken first", "\N{MINUS SIGN}5"]]


class TestSpark:
    def test_the_line_and_its_table_agree(self):
        chart = spark("line", "Used", DAYS, USED)
        points = [tuple(map(float, point.split(","))) for point in chart.points.split()]
        assert [x for x, _y in points] == sorted(x for x, _y in points)
        assert [y for _x, y in points] == [pytest.approx(22 - value * 20 / 16) for value in USED]
        assert table(parsed(render(chart)))[1:] == [
            [d, f"{v}"] for d, v in zip(DAYS, USED, strict=True)
        ]

    def test_one_point_is_a_line(self):
        assert spark("line", "Used", ["a"], [3]).points == "0,2 100,2"


@pytest.mark.browser
class TestInTheBrowser:
    @pytest.fixture
    def show(self, browser_page, look):
        def show(width=390, language="en", **options):
            page = browser_page(width=width, **options)
            direction = "rtl" if language == "ar" else "ltr"
            with translation.override(language):
                html = render(
                    bars("use", "Used each day", DAYS, [Series("Credits", USED)], text=in_credits),
                    bars(
                        "services",
                        "Used by service",
                        DAYS,
                        [
                            Series("Summarise", USED),
                            Series("Translate", USED[::-1]),
                            Series("Draw", [3] * 30),
                            Series("Others", [2] * 30),
                        ],
                    ),
                    stack(
                        "parts",
                        "Available",
                        [Part(f"Part {n}", 100 * n, "Never ends") for n in range(1, 6)],
                    ),
                    spark("line", "Used", DAYS, USED),
                )
            page.set_content(
                f'<!doctype html><html lang="{language}" dir="{direction}"><head><title>Charts'
                f"</title></head><body><main><h1>Charts</h1>{html}</main></body></html>"
            )
            for sheet in [*SHEETS[look], OURS / "elements.css"]:
                page.add_style_tag(path=sheet)
            return page

        return show

    @pytest.mark.parametrize("dark", [False, True])
    def test_a_chart_is_accessible_on_a_phone(self, show, dark):
        page = show(dark=dark)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert_accessible(page)
        assert_fits(page)

    @pytest.mark.parametrize("width", [320, 390, 1280])
    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_the_labels_of_the_axis_are_readable_and_apart(self, show, width, language):
        page = show(width=width, language=language)
        assert_fits(page)
        for axis in page.query_selector_all(".qs-axis"):
            boxes = sorted(
                (label.bounding_box() for label in axis.query_selector_all("text")),
                key=lambda box: box["x"],
            )
            assert all(box["height"] >= 11 for box in boxes)
            ends = -1
            for box in boxes:
                assert box["x"] > ends
                ends = box["x"] + box["width"]
            assert ends <= width

    def test_what_is_drawn_is_seen_without_colours(self, show):
        page = show(forced_colors="active")
        fill = "element => getComputedStyle(element).fill"
        colours = {page.eval_on_selector(f".qs-series-{n}", fill) for n in (1, 2, 3, 4, 5)}
        assert len(colours) == 1
        assert page.eval_on_selector(".qs-stripe", fill) not in colours

    def test_the_numbers_are_printed(self, show):
        page = show()
        page.emulate_media(media="print")
        assert page.locator(".qs-numbers table").first.bounding_box()["height"] > 100
