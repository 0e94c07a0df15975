"""Texts in a stranger's journal or suite remain plain text on pages, in figures, and in tables for spreadsheets."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from softal_bench.records.export import rounds_table, to_csv, to_json
from softal_bench.report.pages.trials import page

from .example import ExampleAcquisition, ExampleCondition, ExampleSuite, lines, write

FIRST = ExampleCondition()
MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "--> <!-- <b>",
    "</svg><svg onload=alert(1)>",
    "[a](javascript:alert(1))",
    "![a](http://example.org/x.png)",
    "| a | b |",
    "\n\n# heading\n\n- item\n\n```\ncode",
    "\r\n| :-- |\r\n",
    "***bold*** __under__ ~~gone~~ `code` $x^2$",
    "&lt;script&gt; &#60;b&#62;",
    "\x1b[31m\x07\x00\u202eevil\u2028",
    "]]> <![CDATA[",
    "=HYPERLINK('http://example.org')",
]
Journal = list[dict[str, Any]]


def set_error(journal: Journal, text: str) -> None:
    journal[-1].update(status="failed", error=text)


def set_environment(journal: Journal, text: str) -> None:
    journal[0]["environment"] = dict.fromkeys(("device", "device_name", "platform", "python", "threads"), text)
    journal[1].update(journal[0]["environment"])


def set_versions(journal: Journal, text: str) -> None:
    journal[0]["versions"] = {text: text, "torch": {text: text}}


def set_phase(journal: Journal, text: str) -> None:
    for line in journal[2:-1]:
        line["seconds"][text] = 1.0


def set_wrong_phase(journal: Journal, text: str) -> None:
    journal[2]["seconds"][text] = text


def set_condition(journal: Journal, text: str) -> None:
    journal[0]["condition"]["acquisition"]["label"] = text


def set_key(journal: Journal, text: str) -> None:
    journal[0]["key"] = text


def set_status(journal: Journal, text: str) -> None:
    journal[-1]["status"] = text


def set_times(journal: Journal, text: str) -> None:
    journal[1]["time"] = text


def set_what_is_shown(journal: Journal, text: str) -> None:
    for change in (set_environment, set_versions, set_phase, set_condition, set_times):
        change(journal, text)


PLACES: list[Callable[[Journal, str], None]] = [set_what_is_shown, set_error, set_wrong_phase, set_key, set_status]


def hostile(suite: ExampleSuite, change: Callable[[Journal, str], None], text: str) -> ExampleSuite:
    journal = lines(FIRST, 0, [0.5, 0.6])
    change(journal, text)
    write(suite.path(FIRST, 0), journal)
    return suite


def require_plain(markdown: str) -> None:
    """Require that the page has only its own markup: first line, headings, tables, lists, and links to figures."""
    body = markdown.split("-->", 1)[1]
    assert "<" not in body
    assert "-->" not in body
    assert [found for found in re.findall(r"(?<!\\)\]\(([^)]*)", body) if not found.startswith(("figures/", "#"))] == []
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\u2028]", body)
    for block in body.split("\n\n"):
        rows = [len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines() if block.startswith("|")]
        assert len(set(rows)) <= 1, block


@pytest.mark.parametrize("text", MARKUP)
@pytest.mark.parametrize("change", PLACES, ids=lambda change: change.__name__)
def test_journal_text_is_never_markup_on_a_page(
    suite: ExampleSuite, change: Callable[[Journal, str], None], text: str
) -> None:
    headings = [line for line in page(suite.collect())[0].splitlines() if line.startswith("#")]
    found, figures = page(hostile(suite, change, text).collect())
    require_plain(found)
    added = [line for line in found.splitlines() if line.startswith("#") and line not in headings]
    assert set(added) <= {"## Trials that failed", "## Journals that cannot be read"}
    for data in figures.values():
        require_harmless(data)


def require_harmless(svg: bytes) -> None:
    """Require a well-formed figure made of shapes, without scripts or links to anything outside the file."""
    for element in ElementTree.fromstring(svg).iter():
        assert element.tag.rpartition("}")[2] not in {"script", "foreignObject", "image", "a", "text"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert not name.endswith("href") or value.startswith("#")


@pytest.mark.parametrize("text", MARKUP)
def test_suite_labels_are_never_markup_in_a_figure_or_on_a_page(suite: ExampleSuite, text: str) -> None:
    condition = ExampleCondition(ExampleAcquisition(text, "uniform", {"path": text}))
    suite = replace(suite, conditions=[condition, FIRST], varied=("acquisition", "batch_size"))
    write(suite.path(condition, 0), lines(condition, 0, [0.5, 0.95]))
    found, figures = page(suite.collect())
    require_plain(found)
    assert figures
    for data in figures.values():
        require_harmless(data)


NUMBERS: list[Any] = [
    10**400,
    -(10**400),
    1e308,
    -1e308,
    5e-324,
    2**63,
    -1,
    float("nan"),
    float("inf"),
    True,
    None,
    "1",
    [],
    {},
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: str(number)[:12])
@pytest.mark.parametrize("name", ["labels", "accuracy", "nll", "peak_bytes", "round", "acquired", "seconds"])
def test_journal_numbers_never_break_a_page_or_an_export(suite: ExampleSuite, name: str, number: Any) -> None:
    journal = lines(FIRST, 0, [0.5, 0.6])
    for line in journal[2:-1]:
        line[name] = {"train": number, "select": number} if name == "seconds" else number
    write(suite.path(FIRST, 0), journal)
    results = replace(suite, trials=1).collect()
    require_plain(page(results)[0])
    assert json.loads(to_json(rounds_table(results)))
    assert to_csv(rounds_table(results))


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "", 5, None, [1], "x" * 10**6]
)
def test_journal_times_never_break_a_page(suite: ExampleSuite, time: Any) -> None:
    journal = lines(FIRST, 0, [0.5, 0.6])
    journal[1]["time"] = journal[-1]["time"] = time
    write(suite.path(FIRST, 0), journal)
    found, _ = page(suite.collect())
    require_plain(found)
    assert len(found) < 100_000


def test_the_page_shortens_a_long_error(suite: ExampleSuite) -> None:
    found, _ = page(hostile(suite, set_error, "x" * 10**6).collect())
    assert len(found) < 100_000
    found, _ = page(hostile(suite, set_wrong_phase, "x" * 10**6).collect())
    assert len(found) < 100_000


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r@", " ="])
def test_text_that_looks_like_a_formula_is_quoted_in_csv(suite: ExampleSuite, start: str) -> None:
    condition = ExampleCondition(ExampleAcquisition(f"{start}1+1", "uniform"))
    suite = replace(suite, conditions=[condition], trials=1)
    write(suite.path(condition, 0), lines(condition, 0, [0.5, 0.6]))
    rows = list(csv.reader(io.StringIO(to_csv(rounds_table(suite.collect())).decode(), newline="")))
    assert [row[0] for row in rows[1:]] == [f"'{start.strip()}1+1"] * 2
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_csv_text_cannot_start_a_new_row_or_column(suite: ExampleSuite) -> None:
    condition = ExampleCondition(ExampleAcquisition('a\r=1\n@2,"3"\x00', "uniform"))
    suite = replace(suite, conditions=[condition], trials=1)
    write(suite.path(condition, 0), lines(condition, 0, [0.5, 0.6]))
    data = to_csv(rounds_table(suite.collect())).decode()
    assert len(data.replace("\r", "\n").splitlines()) == 1 + 2
    assert [row[0] for row in csv.reader(io.StringIO(data, newline=""))][1:] == ['a =1 @2,"3"'] * 2
