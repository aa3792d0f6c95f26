"""One tree, every format: complete, escaped, well-formed, and the same bytes each time."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from verify.report import (
    Bin,
    Column,
    Facts,
    Finding,
    Findings,
    Histogram,
    Layer,
    Layers,
    Point,
    Report,
    Scatter,
    Section,
    Series,
    Table,
    write_report,
)
from verify.report.to_console import to_console
from verify.report.to_html import to_html
from verify.report.to_json import to_json
from verify.report.to_junit import to_junit
from verify.report.to_markdown import MAX_ROWS, to_markdown
from verify.verdict import Check, Stage, Status, Verdict

EVIL = "<script>alert('x')</script> | `a` & \"b\"\n## c @team"
TEXT_FORMATS = [to_json, to_markdown, to_html, to_junit, to_console]


def report(text="plain", *, status=Status.FAIL):
    checks = [
        Check("rows", Stage.JOIN, Status.PASS, "4 rows joined by id"),
        Check(text, Stage.VALUES, status, f"worst: {text}", {"max_abs": float("nan")}, text),
        Check("psi", Stage.DISTRIBUTION, Status.INCONCLUSIVE, "few rows"),
    ]
    bins = tuple(Bin(10.0**i, 10.0 ** (i + 1), 3 * i + 27) for i in range(-9, 0))
    blocks = (
        Facts({text: 1.5, "count": 1234567, "none": None, "flag": True}, text),
        Table(
            (Column(text, "ms", text), Column("value")),
            ((text, 1.0), ("b", float("inf"))),
            text,
            (Status.FAIL, None),
        ),
        Findings((Finding(Status.FAIL, text, text, text),), text),
        Histogram(text, text, (Series("v1", bins), Series("v2", bins)), {text: 1e-5}, True),
        Scatter(text, "v1", "v2", (Point(0.0, 0.1, text), Point(1.0, 0.5, text, True))),
        Layers((Layer(text, "nn.Linear", 2.0, None, Status.FAIL, text),), 32.0, text),
    )
    return Report(
        title=text,
        verdict=Verdict.combine(checks),
        roles={"v1": text, "v2": "v2.parquet"},
        sections=(Section(text, blocks, text),),
        provenance={"sha256": "ab" * 32, "note": text},
        command=text,
    )


class Page(HTMLParser):
    """Collects tags, checks nesting, and remembers text."""

    VOID = frozenset({"meta", "br", "link", "img", "hr", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(text):
    page = Page()
    page.feed(text)
    assert page.open == []
    return page


@pytest.mark.parametrize("render", TEXT_FORMATS)
def test_equal_reports_give_equal_bytes(render):
    assert render(report()) == render(report())


@pytest.mark.parametrize("render", TEXT_FORMATS)
@pytest.mark.parametrize("status", Status)
def test_verdict_and_reason_are_in_every_format(render, status):
    text = render(report(status=status))
    verdict = report(status=status).verdict
    assert verdict.status.value in text
    assert verdict.reason in re.sub(r"\s*\n?│\n?│?\s*", " ", text).replace("\\", "")


@pytest.mark.parametrize("render", TEXT_FORMATS)
def test_an_empty_report_renders(render):
    empty = Report("nothing", Verdict.combine([]), {})
    assert "NOT COMPARABLE" in render(empty)


def test_json_is_strict_versioned_and_complete():
    data = json.loads(to_json(report()), parse_constant=pytest.fail)
    assert (data["schema"], data["schema_version"]) == ("deepbird.report", 1)
    assert (data["verdict"]["status"], data["verdict"]["exit_code"]) == ("FAIL", 1)
    assert data["verdict"]["checks"][1]["numbers"] == {"max_abs": "NaN"}
    kinds = [block["kind"] for block in data["sections"][0]["blocks"]]
    assert kinds == ["facts", "table", "findings", "histogram", "scatter", "layers"]


def test_html_is_one_accessible_offline_file():
    text = to_html(report())
    page = parsed(text)
    names = [tag for tag, _ in page.tags]
    assert text.startswith("<!doctype html>")
    assert dict(page.tags)["html"] == {"lang": "en"}
    assert names.count("h1") == 1
    assert "script" not in names
    assert "link" not in names
    assert not re.search(r"(src|href)=\"(?!#)|url\(|@import", text)
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
    anchors = {a["href"][1:] for tag, a in page.tags if tag == "a"}
    assert anchors == {a["id"] for _, a in page.tags if "id" in a}
    headings = [int(tag[1]) for tag in names if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_html_puts_the_verdict_before_everything_else():
    text = "".join(parsed(to_html(report())).text)
    body = text[text.index("plain", text.index("print")) :]
    assert body.index("FAIL") < body.index("values: plain") < body.index("v2.parquet")


def test_html_colours_have_contrast():
    """WCAG AA: 4.5 to 1 for text on both grounds, in both schemes."""
    css = to_html(report())
    for scheme in css.split(":root {")[1:3]:
        colours = dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6})", scheme.split("}")[0]))
        for ground in (colours["ground"], colours["panel"]):
            for name in ("ink", "soft", "pass", "fail", "inconclusive", "not-comparable", "first"):
                assert contrast(colours[name], ground) >= 4.5, name


def contrast(first, second):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_hostile_text_stays_text():
    page = parsed(to_html(report(EVIL)))
    assert "script" not in [tag for tag, _ in page.tags]
    assert EVIL in "".join(page.text)
    markdown = to_markdown(report(EVIL)).split("```")
    outside = "".join(markdown[::2])
    assert "<script>" not in outside
    assert not re.search(r"(?<!\\)@team", outside)
    assert "\n## c" not in outside
    ET.fromstring(to_junit(report(EVIL + "\x00\x1b")))
    assert EVIL in json.loads(to_json(report(EVIL)))["title"]
    assert "[red]" in to_console(report("[red]x[/]"))


def test_junit_counts():
    root = ET.fromstring(to_junit(report()))
    counts = {s.get("name"): (s.get("tests"), s.get("failures"), s.get("errors")) for s in root}
    assert counts == {
        "join": ("1", "0", "0"),
        "values": ("1", "1", "0"),
        "distribution": ("1", "0", "1"),
        "verdict": ("1", "1", "0"),
    }


@pytest.mark.parametrize("checks", [[], [Check("n", Stage.NAMES, Status.PASS, "ok")]])
def test_junit_never_is_green_without_evidence(checks):
    root = ET.fromstring(to_junit(Report("t", Verdict.combine(checks), {})))
    assert len(root.findall(".//error")) == 1


def test_markdown_cuts_long_tables_and_says_so():
    rows = tuple((i,) for i in range(MAX_ROWS + 7))
    long = Report("t", Verdict.combine([]), {}, (Section("s", (Table((Column("n"),), rows),)),))
    text = to_markdown(long)
    assert f"| {MAX_ROWS - 1} |" in text
    assert f"| {MAX_ROWS} |" not in text
    assert "7 more rows" in text


def test_markdown_rows_have_as_many_cells_as_headers():
    for block in to_markdown(report("a|b")).split("\n\n"):
        if block.startswith("|"):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(cells) == 1


def test_writing_all_formats(tmp_path):
    paths = write_report(report(), tmp_path / "new" / "folder")
    assert {path.name for path in paths.values()} == {
        "report.json",
        "report.md",
        "report.html",
        "junit.xml",
    }
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == sorted(
        path.name for path in paths.values()
    )
    assert paths["html"].read_text(encoding="utf-8") == to_html(report())


def test_a_report_that_cannot_be_rendered_leaves_the_old_one(tmp_path):
    write_report(report(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    broken = Report("t", Verdict.combine([]), {}, (Section("s", (object(),)),))
    with pytest.raises((TypeError, KeyError, AttributeError)):
        write_report(broken, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_unknown_format(tmp_path):
    with pytest.raises(ValueError, match="unknown report format 'pdf'"):
        write_report(report(), tmp_path, ["pdf"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Report("t", Verdict.combine([]), {"left": "a"}),
        lambda: Table((Column("a"),), ((1, 2),)),
        lambda: Table((Column("a"),), ((1,),), "t", (None, None)),
    ],
)
def test_trees_that_make_no_sense(make):
    with pytest.raises(ValueError, match=r"role|cells|statuses"):
        make()


@pytest.mark.parametrize("values", [(), (0.0,), (float("nan"),), (3.0, 3.0)])
def test_degenerate_charts(values):
    blocks = (
        Scatter("s", "x", "y", tuple(Point(v, v) for v in values)),
        Histogram("h", "x", (Series("v1", tuple(Bin(0.0, 1.0, 0) for _ in values)),)),
        Histogram("none", "x", ()),
        Layers((), 1.0),
        Table((Column("a"),), ()),
    )
    parsed(to_html(Report("t", Verdict.combine([]), {}, (Section("s", blocks),))))
