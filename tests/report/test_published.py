"""The pages in the repository are those that the journals beside them give."""

from pathlib import Path

import pytest

from softal_bench.report.cost.page import cost_page
from softal_bench.report.cost.records import collect_cells
from softal_bench.report.page import page
from softal_bench.report.records import collect
from softal_bench.suite import load_cost_suite, load_suite, suite_kind

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted(path.name for path in (ROOT / "leaderboard" / "records").iterdir())


def test_something_is_published() -> None:
    assert {"quickstart", "acquisition_cost"} <= set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_page_follows_from_its_records(name: str, tmp_path: Path) -> None:
    leaderboard = ROOT / "leaderboard"
    path = ROOT / "suites" / f"{name}.yaml"
    if suite_kind(path) == "cost":
        text, figures = cost_page(collect_cells(load_cost_suite(path), tmp_path, leaderboard))
    else:
        text, figures = page(collect(load_suite(path), tmp_path, leaderboard))
    assert text == (leaderboard / f"{name}.md").read_text(encoding="utf-8")
    assert all((leaderboard / "figures" / figure).is_file() for figure in figures)
