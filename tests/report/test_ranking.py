"""Methods ranked within trials, from journals whose areas can be computed by hand."""

from pathlib import Path

import numpy as np
import pytest

from softal_bench.report.pages.trials import write_pages
from softal_bench.report.stats.ranking import Ranking, ranking, ranking_table
from softal_bench.report.stats.tables import settings

from .example import POWER, UNIFORM, ExampleAcquisition, ExampleCondition, ExampleSuite, lines, write

BALD = ExampleAcquisition("bald", "bald")
METHODS = (UNIFORM, BALD, POWER)
# Flat curves, so that areas equal these accuracies, by method, B and trial.
AREAS = {
    ("uniform", 5): [0.5, 0.6, 0.4],
    ("uniform", 10): [0.5, 0.5, 0.5],
    ("bald", 5): [0.6, 0.6, 0.7],
    ("bald", 10): [0.4, 0.6, 0.6],
    (POWER.label, 5): [0.7, 0.8, 0.6],
    (POWER.label, 10): [0.7, 0.7, 0.9],
}


@pytest.fixture
def ranked(tmp_path: Path) -> ExampleSuite:
    conditions = [ExampleCondition(method, size) for size in (5, 10) for method in METHODS]
    suite = ExampleSuite(tmp_path, conditions)
    for condition in conditions:
        for trial, area in enumerate(AREAS[condition.acquisition.label, condition.batch_size]):
            write(suite.path(condition, trial), lines(condition, trial, [area, area]))
    return suite


def found_in(suite: ExampleSuite) -> Ranking:
    (setting,) = settings(suite.collect())
    found = ranking(setting)
    assert found is not None
    return found


def test_ranks_are_assigned_within_a_trial_and_b_and_then_averaged(ranked: ExampleSuite) -> None:
    found = found_in(ranked)
    # At B = 5 power has ranks 1, 1, 2 and uniform 3, 2.5, 3; at B = 10 power is always first.
    assert dict(zip(found.labels, found.ranks_M.tolist(), strict=True)) == {
        "uniform": pytest.approx((3 + 2.5 + 3 + 2 + 3 + 3) / 6),
        "bald": pytest.approx((2 + 2.5 + 1 + 3 + 2 + 2) / 6),
        POWER.label: pytest.approx((1 + 1 + 2 + 1 + 1 + 1) / 6),
    }
    assert [found.labels[place] for place in found.order] == [POWER.label, "bald", "uniform"]


def test_the_table_has_places_areas_and_paired_differences_from_the_first(ranked: ExampleSuite) -> None:
    table = ranking_table(found_in(ranked))
    assert table.title == "Ranking over B = 5, B = 10, 3 trials each"
    assert table.cells.index.tolist() == [POWER.label, "bald", "uniform"]
    assert table.cells["Place"].tolist() == ["1", "2", "3"]
    assert table.cells["Mean rank"].tolist() == ["1.17", "2.08", "2.75"]
    assert table.cells["Area, %"].tolist() == ["73.33", "58.33", "50.00"]
    differences = [np.mean([0.6 + 0.4 - 1.4, 0.6 + 0.6 - 1.5, 0.7 + 0.6 - 1.5]) * 50, (0.5 - 0.7333333) * 100]
    shown = table.cells["Difference from the first [95 %]"].tolist()
    assert shown[0] == "0"
    assert [float(text.split(" ")[0]) for text in shown[1:]] == pytest.approx(differences, abs=0.01)
    assert shown[1] == "-15.00 [-20.00, -10.00]"  # with three trials, the interval is the range


def test_a_trial_that_one_method_has_not_done_does_not_count(ranked: ExampleSuite) -> None:
    condition = ExampleCondition(BALD, 5)
    write(ranked.path(condition, 2), lines(condition, 2, [0.7], "failed", "boom"))
    found = found_in(ranked)
    assert found.areas_M_S_R.shape == (3, 2, 2)
    assert "2 trials each" in ranking_table(found).title


def test_a_b_that_one_method_has_not_run_does_not_count(ranked: ExampleSuite) -> None:
    for trial in range(3):
        ranked.path(ExampleCondition(BALD, 5), trial).unlink()
    found = found_in(ranked)
    assert (found.batch_sizes, found.areas_M_S_R.shape) == ([10], (3, 1, 3))
    write_pages(ranked.collect(), ranked.leaderboard)
    assert "Trials do not count if one of these methods has not done them: B = 5: bald.\n" in ranked.page


def test_a_method_that_has_not_run_is_omitted(ranked: ExampleSuite) -> None:
    for size in (5, 10):
        for trial in range(3):
            ranked.path(ExampleCondition(BALD, size), trial).unlink()
    assert found_in(ranked).labels == ["uniform", POWER.label]


def test_a_single_method_and_its_page_have_no_ranking(suite: ExampleSuite) -> None:
    (setting,) = settings(suite.collect())
    assert ranking(setting) is None
    write_pages(suite.collect(), suite.leaderboard)
    assert "Ranking" not in suite.page


def test_the_page_shows_the_ranking(ranked: ExampleSuite) -> None:
    write_pages(ranked.collect(), ranked.leaderboard)
    assert "## Ranking\n\n**Ranking over B = 5, B = 10, 3 trials each**" in ranked.page
    assert f"| {POWER.label} | 1 | 73.33 | 1.17 | 0 |" in ranked.page
    assert "do not count if one of these methods" not in ranked.page


def test_methods_are_ordered_by_area_even_if_ranks_differ(tmp_path: Path) -> None:
    conditions = [ExampleCondition(method) for method in (UNIFORM, BALD)]
    suite = ExampleSuite(tmp_path, conditions)
    for condition, areas in zip(conditions, ([0.8, 0.8, 0.8], [0.7, 0.7, 1.0]), strict=True):
        for trial, area in enumerate(areas):
            write(suite.path(condition, trial), lines(condition, trial, [area, area]))
    (tie, uniform) = (found_in(suite), found_in(suite).ranks_M)
    assert uniform.tolist() == pytest.approx([4 / 3, 5 / 3])  # uniform is first in two of three trials
    assert [tie.labels[place] for place in tie.order] == ["uniform", "bald"]  # equal areas are in the suite's order
    write(suite.path(conditions[1], 2), lines(conditions[1], 2, [1.0, 1.0, 1.0]))
    write(suite.path(conditions[0], 2), lines(conditions[0], 2, [0.7, 0.7]))
    assert [found_in(suite).labels[place] for place in found_in(suite).order] == ["bald", "uniform"]
    assert found_in(suite).ranks_M.tolist() == pytest.approx([4 / 3, 5 / 3])


def test_one_trial_in_common_has_no_interval(ranked: ExampleSuite) -> None:
    for size in (5, 10):
        for trial in (1, 2):
            ranked.path(ExampleCondition(UNIFORM, size), trial).unlink()
    shown = ranking_table(found_in(ranked)).cells["Difference from the first [95 %]"].tolist()
    assert all(text == "0" or text.endswith("[–]") for text in shown)  # noqa: RUF001
