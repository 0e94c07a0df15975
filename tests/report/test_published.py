"""The pages in the repository follow from the records next to them."""

import json
from pathlib import Path

import pytest
from softal_bench_peers.compare.page import comparison_page
from softal_bench_peers.compare.records import read_comparisons

from softal_bench.records.cells import collect_cells
from softal_bench.records.trials import collect
from softal_bench.report.pages.cost import cost_page
from softal_bench.report.pages.publishing import read_manifest
from softal_bench.report.pages.trials import page
from softal_bench.suite import load_cost_suite, load_suite, suite_kind

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "leaderboard" / "records"
PUBLISHED = sorted(path.name for path in RECORDS.iterdir() if path.is_dir())


def test_something_is_published() -> None:
    assert {"quickstart", "acquisition_cost"} <= set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_page_agrees_with_its_records(name: str, tmp_path: Path) -> None:
    leaderboard = ROOT / "leaderboard"
    path = ROOT / "suites" / f"{name}.yaml"
    if suite_kind(path) == "cost":
        text, figures = cost_page(collect_cells(load_cost_suite(path), tmp_path, leaderboard))
    else:
        text, figures = page(collect(load_suite(path), tmp_path, leaderboard))
    assert text == (leaderboard / f"{name}.md").read_text(encoding="utf-8")
    assert sorted(figures) == read_manifest(leaderboard / "figures").get(name, [])
    assert all((leaderboard / "figures" / figure).is_file() for figure in figures)


@pytest.mark.skipif(not (RECORDS / "compare.json").is_file(), reason="no comparison is published")
def test_the_published_comparison_agrees_with_its_record_and_its_samples() -> None:
    text = (RECORDS / "compare.json").read_text(encoding="utf-8")
    comparisons = read_comparisons(RECORDS / "compare.json")
    assert [row["ratio"] for row in json.loads(text)] == [one.ratio for one in comparisons]
    assert comparison_page(comparisons) == (ROOT / "leaderboard" / "compare.md").read_text(encoding="utf-8")


def test_the_manifest_lists_exactly_the_published_figures() -> None:
    figures = ROOT / "leaderboard" / "figures"
    listed = [name for names in read_manifest(figures).values() for name in names]
    assert sorted(listed) == sorted(path.name for path in figures.glob("*.svg"))
