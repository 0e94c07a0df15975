"""Epochs and acquired scores on a page, round by round."""

from dataclasses import replace
from typing import Any

import pytest

from softal_bench.report.figures.curves import epochs_and_scores_figure
from softal_bench.report.pages.trials import page
from softal_bench.report.stats.curves import epochs_and_scores_table, epochs_run, round_means
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.tables import settings

from .example import ExampleCondition, ExampleSuite, lines, write
from .test_reference_tables import reference

FIRST = ExampleCondition()


def with_course(journal: list[dict[str, Any]], epochs: list[int]) -> list[dict[str, Any]]:
    """Add to a journal these epochs, the best of which is the last but one, and a score of 1, 2, ... in each round."""
    rounds = [line for line in journal if line["kind"] == "round"]
    for number, (line, run) in enumerate(zip(rounds, epochs, strict=True), start=1):
        scores = [float(number)] * len(line["acquired"])
        line.update(epochs=run, best_epoch=max(1, run - 1), scores=scores)
    return journal


@pytest.fixture
def written(suite: ExampleSuite) -> ExampleSuite:
    for trial, epochs in enumerate([[4, 6, 5], [6, 6, 7], [8, 6, 6]]):
        write(suite.path(FIRST, trial), with_course(lines(FIRST, trial, [0.5, 0.7, 0.9]), epochs))
    return suite


def test_epochs_are_the_mean_over_trials_at_each_number_of_labels(written: ExampleSuite) -> None:
    (setting,) = settings(written.collect())
    uniform = setting.conditions["uniform", 10]
    assert round_means(uniform, epochs_run) == ([20, 30, 40], [6.0, 6.0, 6.0])
    assert round_means(uniform, lambda one: one.best_epoch) == ([20, 30, 40], [5.0, 5.0, 5.0])
    table = epochs_and_scores_table(setting, 10)
    assert table is not None
    assert list(table.cells.loc["uniform"]) == ["6.00", "5.00", "1", "2"]  # the last round acquires nothing
    assert epochs_and_scores_figure(setting, 10, ["uniform"]) is not None


def test_a_page_shows_epochs_and_scores_if_the_suite_has_a_reference(written: ExampleSuite) -> None:
    text, figures = page(written.collect())
    assert "Epochs and acquired scores" not in text
    text, figures = page(replace(written, reference=reference()).collect())
    assert "## Epochs and acquired scores" in text
    assert "(figures/example-course-B10.svg)" in text
    assert figures["example-course-B10.svg"].startswith(b"<?xml")


def test_the_section_is_absent_without_epochs(suite: ExampleSuite) -> None:
    write(suite.path(FIRST, 0), lines(FIRST, 0, [0.5, 0.9]))
    text, figures = page(replace(suite, reference=reference()).collect())
    assert "Epochs and acquired scores" not in text
    assert not [name for name in figures if "course" in name]


def test_scores_of_a_method_are_absent_if_its_journals_have_none(written: ExampleSuite) -> None:
    journal = with_course(lines(FIRST, 0, [0.5, 0.7, 0.9]), [4, 6, 5])
    for line in journal:
        line.pop("scores", None)
    write(written.path(FIRST, 0), journal)
    (setting,) = settings(replace(written, trials=1).collect())
    table = epochs_and_scores_table(setting, 10)
    assert table is not None
    assert list(table.cells.loc["uniform"]) == ["5.00", "4.00", ABSENT, ABSENT]
