"""The published figures that a suite names."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from softal_bench.errors import SuiteError
from softal_bench.suite import load_suite

from .example import acquiring, write_suite

ROW: dict[str, Any] = {
    "published_as": "BALD",
    "acquisition": "bald",
    "batch_size": 5,
    "labels": {"0.9": "172.5 / 200 / 212.5", "0.95": "∞"},
}
SUITES = Path(__file__).parents[2] / "suites"


def suite_with(folder: Path, *rows: dict[str, Any], **keys: Any) -> Path:
    references = folder / "references"
    references.mkdir(exist_ok=True)
    document = {"title": "A table", "source": "A paper", "rows": list(rows), **keys}
    (references / "published.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return write_suite(folder, report={"reference": "published"})


def test_quartiles_are_read_and_infinity_sets_all_three(tmp_path: Path) -> None:
    reference = load_suite(suite_with(tmp_path, ROW)).reference
    assert reference is not None
    assert reference.rows[0].labels == {0.9: (172.5, 200.0, 212.5), 0.95: (math.inf,) * 3}


def test_a_slice_of_the_suite_keeps_the_whole_reference(tmp_path: Path) -> None:
    suite = load_suite(suite_with(tmp_path, ROW), only=["acquisition=uniform"])
    assert suite.reference is not None
    assert len(suite.reference.rows) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"acquisition": "batchbald"},
            r"rows\[0\]: 'batchbald' at B = 5 does not match any condition; .*bald",
        ),
        ({"batch_size": 7}, r"'bald' at B = 7 does not match any condition"),
        ({"labels": {"0.9": "1 / 2"}}, r"rows\[0\]\.labels.*need quartiles"),
        ({"labels": {"0.9": "3 / 2 / 1"}}, "need quartiles"),
        ({"labels": {"0.9": "many"}}, "need quartiles"),
        ({"labels": {"90": "1"}}, "need an accuracy above 0 and below 1"),
        ({"labels": {}}, r"rows\[0\]\.labels"),
        ({"published": 3}, "unknown key.*published_as"),
    ],
)
def test_an_unusable_row_is_reported_with_its_file(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        load_suite(suite_with(tmp_path, ROW | change))
    assert "report.reference" in str(caught.value)
    assert "published.yaml" in str(caught.value)


def test_a_row_for_two_conditions_is_an_error(tmp_path: Path) -> None:
    path = suite_with(tmp_path, ROW)
    path.write_text(path.read_text(encoding="utf-8").replace("posterior_samples: 4\n", ""), encoding="utf-8")
    matrix = acquiring("bald") | {"posterior_samples": [4, 5]}
    with pytest.raises(SuiteError, match="matches 2 conditions; need exactly one"):
        load_suite(write_suite(tmp_path, report={"reference": "published"}, posterior_samples=None, matrix=matrix))


def test_an_unknown_reference_is_reported_with_a_suggestion(tmp_path: Path) -> None:
    suite_with(tmp_path, ROW)
    with pytest.raises(SuiteError, match=r"publised.yaml cannot be read; did you mean 'published'\?"):
        load_suite(write_suite(tmp_path, report={"reference": "publised"}))


def test_a_reference_cannot_be_outside_its_folder(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"report\.reference"):
        load_suite(write_suite(tmp_path, report={"reference": "../published"}))


def test_a_parameter_that_no_function_has_is_an_error(tmp_path: Path) -> None:
    matrix = acquiring({"power": {"temperature": 0.5}})
    assert load_suite(write_suite(tmp_path, matrix=matrix, report={"against": "temperature"})).report.against
    with pytest.raises(SuiteError, match=r"report\.against: 'temprature' .*did you mean 'temperature'"):
        load_suite(write_suite(tmp_path, matrix=matrix, report={"against": "temprature"}))


@pytest.mark.parametrize(
    ("acquisition", "parameter", "message"),
    [
        ({"power": {"temperature": 0.5}}, "score", r"is \{'bald': \{\}\}; need .* all numbers: temperature"),
        ({"names": {"word": "top"}}, "word", r"is 'top'; need .* all numbers: number"),
        ({"names": {"flag": True}}, "flag", r"is True; need .* all numbers: number"),
        ({"names": {"maybe": None}}, "maybe", r"is None; need .* all numbers: number"),
    ],
)
def test_a_page_against_a_parameter_that_is_not_numeric_is_rejected(
    tmp_path: Path, fakes: None, acquisition: Any, parameter: str, message: str
) -> None:
    """Some values may be numbers, as for the first method here."""
    others = [] if parameter == "score" else [{"names": {parameter: 3}}] if parameter == "maybe" else []
    path = write_suite(tmp_path, matrix=acquiring(*others, acquisition), report={"against": parameter})
    with pytest.raises(SuiteError, match=rf"report\.against: {parameter} of .*{message}"):
        load_suite(path)


def test_table_1_is_as_published() -> None:
    reference = load_suite(SUITES / "repeated_mnist.yaml").reference
    assert reference is not None
    cells = {(row.published_as, row.batch_size): row.labels for row in reference.rows}
    assert len(cells) == len(reference.rows) == 20
    infinite = (math.inf,) * 3
    # Some cells of the paper's notes, copied independently.
    assert cells["BALD", 5] == {0.9: (172.5, 200, 212.5), 0.95: infinite}
    assert cells["BALD", 20] == {0.9: (280, 280, math.inf), 0.95: infinite}
    assert cells["BALD", 50] == {0.9: infinite, 0.95: infinite}
    assert cells["EPIG-BALD", 10] == {0.9: (220, 220, 240), 0.95: infinite}
    assert cells["BatchBALD", 5] == {0.9: (108.75, 115, 117.5), 0.95: (260, 282.5, math.inf)}
    assert cells["BatchBALD", 10] == {0.9: (130, 140, 160), 0.95: (300, math.inf, math.inf)}
    assert cells["BatchEPIG-BALD", 10] == {0.9: (110, 120, 120), 0.95: (260, 270, 270)}
    assert cells["SoftmaxBALD", 5] == {0.9: (102.5, 105, 108.75), 0.95: (248.75, 262.5, 273.75)}
    assert cells["SoftmaxBALD", 50] == {0.9: (170, 170, 220), 0.95: (320, 320, math.inf)}
    assert cells["SoftmaxEPIG-BALD", 50] == {0.9: (170, 170, 170), 0.95: infinite}
    assert "score^8" in " ".join(reference.differences)
